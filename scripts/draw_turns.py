"""Draw the examples in docs/turn_taking.md from what the turn tracker says of them.

usage: python scripts/draw_turns.py [FILE]

Replaces the text block after each line `<!-- example: NAME -->` in docs/turn_taking.md or FILE.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

from personaplex_ros.turns import Activity, TurnEvent, TurnParameters, TurnTracker

RATE, FRAME, WINDOW = 24_000, 1_920, 384  # windows of 16 ms
LABEL = 27
BLOCK = re.compile(r"(<!-- example: (\w+) -->\n)```text\n(?:[^`]*\n)?```\n")
Spans = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Example:
    """When each side is heard, in seconds, and the kinds of events to show.

    says: what the robot's text says when.
    """

    user: Spans
    robot: Spans
    shown: tuple[str, ...]
    seconds: float = 7.0
    column_s: float = 0.1
    yield_: str = "model"
    says: tuple[tuple[float, str], ...] = ()


EXAMPLES = {
    "turns": Example(
        ((0.5, 2.0),),
        ((2.3, 4.5),),
        ("user_started", "user_stopped", "robot_started", "robot_stopped", "engagement_started",
         "robot_takeover"),
        5.5,
    ),
    "finished": Example(
        ((0.5, 1.5), (2.2, 3.2)),
        ((3.6, 5.0),),
        ("user_started", "user_stopped", "user_finished", "robot_started"),
        5.5,
        says=((3.56, " It"),),
    ),
    "user_takeover": Example(
        ((2.4, 4.5),),
        ((0.5, 2.5),),
        ("interruption", "interruption_resolved", "user_takeover"),
        5.5,
    ),
    "yielded": Example(
        ((1.5, 3.5),),
        ((0.5, 2.3), (4.0, 5.5)),
        ("interruption", "robot_yielded", "interruption_resolved", "robot_takeover"),
        5.5,
    ),
    "kept": Example(
        ((1.0, 4.0),),
        ((0.5, 6.0),),
        ("interruption", "robot_kept_floor", "interruption_resolved"),
        5.5,
    ),
    "silenced": Example(
        ((1.5, 3.5),),
        ((0.5, 2.68), (4.0, 5.5)),
        ("interruption", "robot_silenced", "robot_yielded", "interruption_resolved"),
        5.5,
        yield_="assist",
    ),
    "backchannel": Example(
        ((2.0, 2.4),), ((0.5, 5.0),), ("user_started", "interruption", "backchannel"), 5.5
    ),
    "cough": Example(
        ((2.0, 2.06),),
        ((0.5, 5.0),),
        ("user_started", "user_stopped", "interruption", "interruption_resolved"),
        5.5,
    ),
    "robot_backchannel": Example(((0.5, 5.0),), ((2.0, 2.5),), ("robot_backchannel",), 5.5),
    "overlap": Example(((0.5, 3.5),), ((2.5, 5.0),), ("overlap_started", "overlap_ended"), 5.5),
    "silence": Example(
        ((1.0, 3.0),),
        ((3.5, 6.0),),
        ("engagement_started", "long_silence", "engagement_ended"),
        30.0,
        0.5,
    ),
}  # fmt: skip


def follow(example: Example) -> list[TurnEvent]:
    """Return what the tracker says of an example that begins at time 0."""
    tracker = TurnTracker(TurnParameters(yield_=example.yield_), RATE, FRAME)
    pieces = {round(at_s * RATE) // FRAME: piece for at_s, piece in example.says}
    events: list[TurnEvent] = []
    for first in range(0, round(example.seconds * RATE), FRAME):
        sides = (
            [
                Activity(offset, WINDOW, float(_heard(spans, (first + offset + WINDOW / 2) / RATE)))
                for offset in range(0, FRAME, WINDOW)
            ]
            for spans in (example.user, example.robot)
        )
        piece = pieces.get(first // FRAME, "")
        events += tracker.update(first * 1_000_000_000 // RATE, *sides, piece)
    return events


def draw(example: Example) -> str:
    """Return both sides and, for each event shown, its onset (|) and its decision (*)."""
    columns = round(example.seconds / example.column_s)
    ruler = "".join(
        f"{k * 10 * example.column_s:<10.0f}" for k in range(columns // 10 + 1)
    )[:columns]  # fmt: skip
    lines = [f"{'seconds':{LABEL}}{ruler}"]
    for side, spans in (("user", example.user), ("robot", example.robot)):
        times = [(column + 0.5) * example.column_s for column in range(columns)]
        lines.append(f"{side:{LABEL}}" + "".join("#" if _heard(spans, t) else "." for t in times))
    lines += [
        _event_line(event, example.column_s, columns)
        for event in follow(example)
        if event.kind in example.shown
    ]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _event_line(event: TurnEvent, column_s: float, columns: int) -> str:
    onset, decided = (
        min(columns - 1, int(ns / 1e9 / column_s)) for ns in (event.onset_ns, event.decided_ns)
    )
    mark = "?" if event.state == "suspected" else ""
    label = event.kind + mark
    bar = "|" + "-" * (decided - onset - 1) + "*" if decided > onset else "*"
    revises = f"  takes back {event.revises}?" if event.revises else ""
    return f"{label:{LABEL}}{' ' * onset}{bar}{revises}"


def _heard(spans: Spans, time_s: float) -> bool:
    return any(begin <= time_s < end for begin, end in spans)


def redraw(text: str) -> str:
    """Return a document with its examples drawn anew.

    Raises ValueError for an example of an unknown name, and where one is not shown.
    """
    shown = [match[2] for match in BLOCK.finditer(text)]
    if sorted(shown) != sorted(EXAMPLES):
        raise ValueError(f"the document shows {shown}; the examples are {list(EXAMPLES)}")
    return BLOCK.sub(lambda match: f"{match[1]}```text\n{draw(EXAMPLES[match[2]])}```\n", text)


def main() -> None:
    """Draw the document's examples."""
    default = Path(__file__).resolve().parent.parent / "docs" / "turn_taking.md"
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    path.write_text(redraw(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
