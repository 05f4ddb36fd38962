"""Frame times of a running conversation in rings of fixed size."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

RING_SIZE = 750
"""Frames over which percentiles are taken: one minute at 12.5 frames a second."""


@dataclass(frozen=True)
class Percentiles:
    """Seconds."""

    p50: float
    p99: float
    maximum: float


class Ring:
    """The last `size` values; one thread writes, any thread may read."""

    def __init__(self, size: int = RING_SIZE) -> None:
        self._values: npt.NDArray[np.float64] = np.full(size, np.nan)
        self._count = 0

    def push(self, value: float) -> None:
        """Store one value over the oldest."""
        self._values[self._count % self._values.size] = value
        self._count += 1

    def percentiles(self) -> Percentiles | None:
        """Return percentiles of what is stored, linearly interpolated; None of nothing."""
        values = self._values[: min(self._count, self._values.size)]
        if values.size == 0:
            return None
        p50, p99 = np.percentile(values, (50, 99))
        return Percentiles(float(p50), float(p99), float(values.max()))


@dataclass
class FrameStatistics:
    """What the model thread counts since the node was activated; times in seconds.

    frame: from taking a microphone frame to its last message. model: the part inside the engine.
    turns: the part for turn-taking, after the speech was sent. overhead: what the node itself adds
    to the way of speech, from the callback that completed the microphone's frame to the speech
    handed to the middleware, less the model.
    """

    frame: Ring = field(default_factory=Ring)
    model: Ring = field(default_factory=Ring)
    turns: Ring = field(default_factory=Ring)
    overhead: Ring = field(default_factory=Ring)
    frames: int = 0
    late: int = 0
    faults: int = 0
    restarts: int = 0
    last_fault: str = ""
