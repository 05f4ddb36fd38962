"""From what was recorded to the times of every stop: onset, hold, stand, release, motion again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from personaplex_ros.timeline import state_spans


@dataclass(frozen=True)
class Stop:
    """One hold and what came of it; times in seconds of one clock, None where it did not happen.

    onset_s: acoustic onset of the interruption that caused it. hold_s: motion_hold became true.
    stopped_s: the first velocity of zero after that. released_s: motion_hold became false.
    resumed_s: the first velocity that is not zero after that.
    """

    onset_s: float | None
    hold_s: float
    stopped_s: float | None
    released_s: float | None
    resumed_s: float | None

    @property
    def onset_to_stopped_s(self) -> float | None:
        """Time from the person's voice to the robot's stand."""
        if self.onset_s is None or self.stopped_s is None:
            return None
        return self.stopped_s - self.onset_s

    @property
    def hold_to_stopped_s(self) -> float | None:
        """The part of it that is the robot's: from the topic to the stand."""
        return None if self.stopped_s is None else self.stopped_s - self.hold_s


def find_stops(
    onsets: Sequence[float],
    holds: Sequence[tuple[float, bool]],
    motion: Sequence[tuple[float, bool]],
    end_s: float,
) -> list[Stop]:
    """Return the stops in order.

    onsets: of interruptions. holds: times and values of motion_hold. motion: times at which the
    base told its velocity, and whether that was other than zero. end_s: end of the recording.
    An interruption belongs to the first hold that began after its onset.
    """
    stops: list[Stop] = []
    previous = float("-inf")
    for hold_s, until_s in state_spans(holds, end_s):
        before = [onset for onset in onsets if previous < onset <= hold_s]
        released_s = until_s if until_s < end_s else None
        stopped_s = _first(motion, hold_s, moving=False, until=released_s)
        resumed_s = None if released_s is None else _first(motion, released_s, moving=True)
        onset_s = max(before, default=None)
        stops.append(Stop(onset_s, hold_s, stopped_s, released_s, resumed_s))
        previous = hold_s
    return stops


def _first(
    motion: Sequence[tuple[float, bool]], since: float, *, moving: bool, until: float | None = None
) -> float | None:
    for time_s, moves in motion:
        if time_s >= since and moves is moving and (until is None or time_s <= until):
            return time_s
    return None
