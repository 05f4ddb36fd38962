"""How loud a microphone is, as a line of text that may be printed ten times a second."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SOFTEST_DBFS = -90.0
CLIPPED = 32_700
"""int16 value from which on a sample counts as clipped."""


@dataclass(frozen=True)
class Level:
    """Root mean square and peak of some samples, dBFS, and whether they were cut off."""

    rms_dbfs: float
    peak_dbfs: float
    clipped: bool

    @classmethod
    def of(cls, samples: NDArray[np.int16]) -> Level:
        """Measure int16 samples [n], at least one."""
        values = samples.astype(np.float64)
        peak = float(np.abs(values).max())
        rms = math.sqrt(float(np.mean(values * values)))
        return cls(_dbfs(rms), _dbfs(peak), peak >= CLIPPED)

    def verdict(self) -> str:
        """Say in words what the level means for a robot's microphone."""
        if self.clipped:
            return "too loud: it is cut off"
        if self.peak_dbfs <= SOFTEST_DBFS:
            return "digital silence: muted?"
        if self.peak_dbfs < -50.0:
            return "quiet"
        return "good" if self.peak_dbfs < -3.0 else "loud"

    def line(self, width: int = 40) -> str:
        """Return a bar from SOFTEST_DBFS to 0, with the peak marked, and the figures."""
        filled = _cells(self.rms_dbfs, width)
        bar = "#" * filled + " " * (width - filled)
        peak = min(_cells(self.peak_dbfs, width), width - 1)
        bar = bar[:peak] + "|" + bar[peak + 1 :]
        return f"[{bar}] {self.rms_dbfs:6.1f} dBFS, peak {self.peak_dbfs:6.1f}  {self.verdict()}"


def _dbfs(value: float) -> float:
    return max(SOFTEST_DBFS, 20.0 * math.log10(max(value, 1e-9) / 32_768.0))


def _cells(dbfs: float, width: int) -> int:
    return round((dbfs - SOFTEST_DBFS) / -SOFTEST_DBFS * width)
