"""Conversion between 16-bit PCM and floating point samples."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FULL_SCALE = 32768.0


def int16_to_float32(samples: NDArray[np.int16]) -> NDArray[np.float32]:
    """Map int16 samples (any shape) to float32 in [-1, 1): value / 32768, without loss."""
    return samples.astype(np.float32) * np.float32(1.0 / FULL_SCALE)


def float32_to_int16(samples: NDArray[np.floating]) -> NDArray[np.int16]:
    """Map float samples (any shape) to int16: value * 32768, rounded to nearest, clipped.

    The inverse of `int16_to_float32` for every int16 value. NaN becomes 0.
    """
    scaled = np.nan_to_num(
        np.asarray(samples, dtype=np.float32), nan=0.0, posinf=1.0, neginf=-1.0
    ) * np.float32(FULL_SCALE)
    np.clip(np.rint(scaled, out=scaled), -FULL_SCALE, FULL_SCALE - 1.0, out=scaled)
    return scaled.astype(np.int16)
