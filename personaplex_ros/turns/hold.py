"""Whether the robot's motion should pause because the person broke in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .events import (
    INTERRUPTION,
    ROBOT_STARTED,
    ROBOT_STOPPED,
    USER_STARTED,
    USER_STOPPED,
    TurnEvent,
)


@dataclass(frozen=True)
class HoldParameters:
    """timeout_s: the longest hold after an interruption, in seconds."""

    timeout_s: float = 8.0

    def __post_init__(self) -> None:
        if self.timeout_s <= 0.0:
            raise ValueError(f"timeout_s must be positive, got {self.timeout_s}")


@dataclass
class _Hold:
    """since_ns: when it began. user_stopped, robot_started: what it waits for."""

    since_ns: int
    user_stopped: bool = False
    robot_started: bool = False


class MotionHold:
    """True from an interruption until the robot has answered it, or for `timeout_s`.

    Answered means that the person has stopped and the robot has started anew, whichever of the two
    is found out first; a person who goes on, or a robot that stops again, undoes its part.
    """

    def __init__(self, parameters: HoldParameters | None = None) -> None:
        self._timeout_ns = round((parameters or HoldParameters()).timeout_s * 1e9)
        self._hold: _Hold | None = None

    def update(self, now_ns: int, events: Iterable[TurnEvent]) -> bool:
        """Take the events since the last call, in order; return whether to hold at `now_ns`."""
        for event in events:
            if event.kind == INTERRUPTION:
                self._hold = _Hold(now_ns)
            elif self._hold is not None:
                _note(self._hold, event.kind)
        hold = self._hold
        if hold is not None:
            hold.since_ns = min(hold.since_ns, now_ns)  # the clock may have been set back
            answered = hold.user_stopped and hold.robot_started
            if answered or now_ns - hold.since_ns >= self._timeout_ns:
                self._hold = None
        return self._hold is not None

    def reset(self) -> None:
        """End any hold."""
        self._hold = None


def _note(hold: _Hold, kind: str) -> None:
    if kind in (USER_STARTED, USER_STOPPED):
        hold.user_stopped = kind == USER_STOPPED
    elif kind in (ROBOT_STARTED, ROBOT_STOPPED):
        hold.robot_started = kind == ROBOT_STARTED
