"""How much slower the loudspeaker's clock is than the microphone's, to a millionth."""

from __future__ import annotations

import numpy as np

from .linear import Mismatch

USUAL, FASTEST = 200e-6, 500e-6
"""Drifts as clocks have, and the greatest that is believed."""
WANDER = 0.5e-6
"""By how much the drift wanders within a second."""
CAUTION = 0.1
"""Share of a correction that is made, for the filter follows the echo, too, and so the same
lateness is seen in several frames."""
SPREAD = 10.0
"""The echo may have moved by so many times the variance that follows from the drift's."""


class Drift:
    """Follows the drift by the lateness that remains in every frame, as a Kalman filter does.

    pace: by how much the delay grows, in seconds a second.
    """

    def __init__(self, rate: int, frame_size: int) -> None:
        self._size = frame_size
        self._step = WANDER**2 * frame_size / rate
        self.pace = 0.0
        self._variance = USUAL**2

    @property
    def wander(self) -> float:
        """Variance of the samples by which an echo may move in a frame, against what is known."""
        return SPREAD * self._variance * self._size**2

    def reopen(self) -> None:
        """Be as unsure as at first, as after a leap; the clocks are the same."""
        self._variance = USUAL**2

    def take(self, mismatch: Mismatch) -> None:
        """Correct the pace after a frame."""
        self._variance = min(USUAL**2, self._variance + self._step)
        if not np.isfinite(mismatch.variance):
            return
        seen, variance = mismatch.late / self._size, mismatch.variance / self._size**2
        gain = CAUTION * self._variance / (self._variance + variance)
        self.pace = float(np.clip(self.pace + gain * seen, -FASTEST, FASTEST))
        self._variance *= 1.0 - gain
