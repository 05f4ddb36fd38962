"""Waveforms reduced to what a pixel column can show."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

LEVEL_STEP_DB = 3
LOWEST_LEVEL_DB = -36  # quieter recordings are drawn small rather than blown up into noise


@dataclass(frozen=True)
class Envelope:
    """Lowest and highest sample and root mean square of each bin, float32 [bins] each."""

    low: np.ndarray
    high: np.ndarray
    rms: np.ndarray


def envelope(samples: np.ndarray, bins: int) -> Envelope:
    """Reduce ``samples`` (float [n]) to ``bins`` consecutive bins that together hold every sample.

    Where there are fewer samples than bins, bins repeat the sample they fall on.
    """
    if samples.size == 0 or bins <= 0:
        raise ValueError(f"no envelope of {samples.size} samples in {bins} bins")
    starts = np.arange(bins) * samples.size // bins
    widths = np.maximum(np.diff(starts, append=samples.size), 1)
    power = np.add.reduceat(np.square(samples, dtype=np.float64), starts) / widths
    return Envelope(
        low=np.minimum.reduceat(samples, starts),
        high=np.maximum.reduceat(samples, starts),
        rms=np.sqrt(power).astype(np.float32),
    )


def full_scale_db(*channels: np.ndarray) -> int:
    """Return the level in dBFS that fills a lane: the peak of all channels, rounded up to 3 dB.

    Louder than 0 dBFS is not shown, and below -36 dBFS nothing is magnified further.
    """
    peak = max(float(np.abs(channel).max()) for channel in channels)
    if peak <= 0.0:
        return LOWEST_LEVEL_DB
    level = LEVEL_STEP_DB * math.ceil(20 * math.log10(peak) / LEVEL_STEP_DB - 1e-9)
    return min(0, max(LOWEST_LEVEL_DB, level))
