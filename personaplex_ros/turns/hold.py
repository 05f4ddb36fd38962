"""Whether the robot's motion should pause because the person broke in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .events import INTERRUPTION, INTERRUPTION_RESOLVED, SUSPECTED, TurnEvent


@dataclass(frozen=True)
class HoldParameters:
    """When motion pauses.

    timeout_s: the longest hold after an interruption, in seconds.
    on_suspicion: whether an interruption that is only suspected holds. It stops the robot half a
    second earlier, and now and then for a moment without need.
    """

    timeout_s: float = 8.0
    on_suspicion: bool = True

    def __post_init__(self) -> None:
        if self.timeout_s <= 0.0:
            raise ValueError(f"timeout_s must be positive, got {self.timeout_s}")


@dataclass
class _Hold:
    """Which interruption it is for, and when it began."""

    episode: int
    since_ns: int


class MotionHold:
    """True from an interruption until it is resolved or taken back, or for `timeout_s`."""

    def __init__(self, parameters: HoldParameters | None = None) -> None:
        parameters = parameters or HoldParameters()
        self._timeout_ns = round(parameters.timeout_s * 1e9)
        self._on_suspicion = parameters.on_suspicion
        self._hold: _Hold | None = None

    def update(self, now_ns: int, events: Iterable[TurnEvent]) -> bool:
        """Take the events since the last call, in order; return whether to hold at `now_ns`.

        What begins and ends within one call holds for nothing.
        """
        for event in events:
            self._take(now_ns, event)
        hold = self._hold
        if hold is not None:
            hold.since_ns = min(hold.since_ns, now_ns)  # the clock may have been set back
            if now_ns - hold.since_ns >= self._timeout_ns:
                self._hold = None
        return self._hold is not None

    def _take(self, now_ns: int, event: TurnEvent) -> None:
        hold = self._hold
        if event.kind == INTERRUPTION and (self._on_suspicion or event.state != SUSPECTED):
            # An interruption that is confirmed goes on holding since it was suspected.
            if hold is None or hold.episode != event.episode:
                self._hold = _Hold(event.episode, now_ns)
        elif event.kind == INTERRUPTION_RESOLVED or event.revises == INTERRUPTION:
            if hold is not None and hold.episode == event.episode:
                self._hold = None

    def reset(self) -> None:
        """End any hold."""
        self._hold = None
