"""Loudness and its normalisation after ITU-R BS.1770 (pyloudnorm)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BLOCK_S = 0.4  # gating block of BS.1770: nothing shorter has a loudness


def normalise_loudness(
    samples: NDArray[np.floating], rate: int, lufs: float = -24.0
) -> NDArray[np.float32]:
    """Scale a mono signal [n] so that its integrated loudness is `lufs`; float32 [n].

    The gain is the only change: peaks above full scale are left to the caller. Raises ValueError
    as `loudness` does.
    """
    gain = 10.0 ** ((lufs - loudness(samples, rate)) / 20.0)
    return (samples * gain).astype(np.float32)


def loudness(samples: NDArray[np.floating], rate: int) -> float:
    """Return the integrated loudness of a mono signal [n] in LUFS.

    Raises ValueError for a signal shorter than 0.4 s or one that is silent throughout, which have
    no loudness.
    """
    if samples.ndim != 1:
        raise ValueError(f"samples must be [n], got {samples.shape}; use to_mono first")
    if len(samples) < BLOCK_S * rate:
        raise ValueError(
            f"{len(samples) / rate:.2f} s of audio are too short for a loudness: "
            f"at least {BLOCK_S} s are needed (BS.1770 gating block)"
        )
    import pyloudnorm  # it loads scipy.signal: most of a second that only voice prompts need

    level = float(pyloudnorm.Meter(rate).integrated_loudness(samples))
    if not np.isfinite(level):
        raise ValueError("the audio is silent, so its loudness cannot be normalised")
    return level
