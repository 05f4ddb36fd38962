"""A gain that changes without a click, for a stream of frames."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Fader:
    """Multiplies frames of one stream by a gain, 1 at first; for one thread.

    A change takes a stated time along half a cosine, across frames of any length. While the gain
    rests at 1, frames are not touched.

    rate: samples per second.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._from = self._to = 1.0
        self._ramp: NDArray[np.float32] = np.empty(0, np.float32)  # what is left of the way

    def fade(self, target: float, seconds: float) -> None:
        """Let the gain go from where it is to ``target`` within ``seconds`` from the next sample.

        A change to the same target that is under way goes on, so this may be asked before every
        frame. Raises ValueError for a negative gain or time.
        """
        if target < 0.0 or seconds < 0.0:
            raise ValueError(f"gain and time must not be negative, got {target} and {seconds}")
        if target == self._to:
            return
        steps = max(1, round(seconds * self._rate))
        way = 0.5 - 0.5 * np.cos(np.pi * np.arange(1, steps + 1) / steps)
        self._ramp = (self._from + (target - self._from) * way).astype(np.float32)
        self._to = target

    def apply(self, samples: NDArray[np.float32]) -> None:
        """Multiply the stream's next samples, float32 [n], by the gain, in place."""
        count = min(self._ramp.size, samples.size)
        if count:
            samples[:count] *= self._ramp[:count]
            self._from = float(self._ramp[count - 1])
            self._ramp = self._ramp[count:]
        if not self._ramp.size:
            self._from = self._to
            if self._to != 1.0:
                samples[count:] *= np.float32(self._to)
