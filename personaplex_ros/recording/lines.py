"""What happened in a conversation, one JSON object a line, in the order in which it came.

Every line has `type` and `t`, the time in seconds from the first sample of the recording:

- `recording`: the head of the file, with `format`, `started` (UTC), `title` and what else is known
- `text`: a piece of the robot's text; a leading space begins a word
- `turn_event`: the fields of msg/TurnEvent.msg, `t` being the onset and `decided` the decision
- `utterance`: what the robot said between two silences, with `end`, `text` and `interrupted`
- `user_utterance`: what the person said between two silences, with `end` and `text`
- `hold`: whether motion is held from now on (`value`)
- `lost`: so many `seconds` were not recorded; silence takes their place
- `end`: why the recording ended (`why`); missing where the process was killed
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from personaplex_ros.turns import TurnEvent, UserUtterance, Utterance

FORMAT = 1


def line(kind: str, at_s: float, /, **fields: Any) -> str:
    """Return a line of type `kind`, with its end."""
    content = {"type": kind, "t": round(max(0.0, at_s), 4), **fields}
    return json.dumps(content, ensure_ascii=False) + "\n"


def head_line(title: str, **fields: Any) -> str:
    """Return the first line of a recording that begins now."""
    started = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    return line("recording", 0.0, format=FORMAT, started=started, title=title, **fields)


def event_line(event: TurnEvent, onset_s: float, decided_s: float) -> str:
    """Return the line of a turn event."""
    return line(
        "turn_event",
        onset_s,
        decided=round(max(0.0, onset_s, decided_s), 4),
        kind=event.kind,
        state=event.state,
        episode=event.episode,
        revises=event.revises,
        confidence=round(float(event.confidence), 3),
    )


def utterance_line(utterance: Utterance, start_s: float, end_s: float) -> str:
    """Return the line of an utterance."""
    end_s = round(max(0.0, start_s, end_s), 4)
    text, interrupted = utterance.text, utterance.interrupted
    return line("utterance", start_s, end=end_s, text=text, interrupted=interrupted)


def user_utterance_line(heard: UserUtterance, start_s: float, end_s: float) -> str:
    """Return the line of what the person said."""
    return line("user_utterance", start_s, end=round(max(0.0, start_s, end_s), 4), text=heard.text)


def user_transcript_line(start_s: float, end_s: float, text: str) -> str:
    """Return what the person said as people read it, beside what the robot said."""
    return transcript_line(start_s, end_s, f"person: {text}", interrupted=False)


def transcript_line(start_s: float, end_s: float, text: str, interrupted: bool) -> str:
    """Return an utterance as people read it."""
    return f"{start_s:7.2f} {end_s:7.2f}  {text}{' [interrupted]' * interrupted}\n"


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of a file; one that was not written to its end is left out.

    Raises ValueError naming the line that is not one of these, OSError where there is no file.
    """
    with path.open("rb") as file:
        for number, data in enumerate(file, start=1):
            if not data.endswith(b"\n"):
                return
            try:
                content = json.loads(data)
                if not isinstance(content["type"], str) or not content["t"] >= 0:
                    raise ValueError("its type or its time is none")
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise ValueError(f"{path}:{number}: not a line of a recording: {error}") from error
            yield content
