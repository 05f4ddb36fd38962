"""Conversations as spans of activity of both sides, run through the tracker."""

from __future__ import annotations

from collections.abc import Mapping

from personaplex_ros.turns import Activity, TurnEvent, TurnParameters, TurnTracker

RATE, FRAME = 24_000, 1_920
FRAME_S = 0.08
START_NS = 1_700_000_000_000_000_000
USER_WINDOW, ROBOT_WINDOW = 768, 480
Spans = list[tuple[float, float]]


def activities(spans: Spans, window: int, index: int, lag: int) -> list[Activity]:
    """Return the windows that end within frame `index`, `lag` samples late; active in `spans`."""
    first, last = index * FRAME - lag, (index + 1) * FRAME - lag
    found = []
    for number in range(max(0, first // window - 1), last // window + 1):
        begin, end = number * window, (number + 1) * window
        if first < end <= last:
            middle_s = (begin + end) / 2 / RATE
            active = any(a <= middle_s < b for a, b in spans)
            found.append(Activity(begin - index * FRAME, window, 0.9 if active else 0.05))
    return found


def follow(
    user: Spans,
    robot: Spans,
    seconds: float = 20.0,
    parameters: TurnParameters | None = None,
    tracker: TurnTracker | None = None,
    words: Mapping[float, int] | None = None,
) -> list[TurnEvent]:
    """Run a conversation in which each side is active in its spans (seconds).

    words: how many words the robot begins at a time.
    """
    begun = {round(at / FRAME_S): count for at, count in (words or {}).items()}
    tracker = tracker or TurnTracker(parameters or TurnParameters(), RATE, FRAME)
    events = []
    for index in range(round(seconds / FRAME_S)):
        events += tracker.update(
            START_NS + index * 80_000_000,
            activities(user, USER_WINDOW, index, lag=240),
            activities(robot, ROBOT_WINDOW, index, lag=0),
            " a" * begun.get(index, 0),
        )
    return events


def only(events: list[TurnEvent], kind: str, state: str = "confirmed") -> TurnEvent:
    (event,) = [event for event in events if (event.kind, event.state) == (kind, state)]
    return event


def onset(events: list[TurnEvent], kind: str, state: str = "confirmed") -> float:
    return (only(events, kind, state).onset_ns - START_NS) / 1e9


def decided(events: list[TurnEvent], kind: str, state: str = "confirmed") -> float:
    return (only(events, kind, state).decided_ns - START_NS) / 1e9


def story(events: list[TurnEvent]) -> list[str]:
    """Return the kinds in order; "?" marks what is suspected, "<" what takes which back."""
    mark = {"suspected": "?", "confirmed": ""}
    return [e.kind + mark[e.state] + (f" < {e.revises}" if e.revises else "") for e in events]
