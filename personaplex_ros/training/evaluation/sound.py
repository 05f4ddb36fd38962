"""When the robot is to be heard: the level of 10 ms windows against one constant threshold."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

WINDOW_S = 0.01
SOUND_DBFS = -50.0  # RMS of a window from which it is sound
QUIET_S = 0.2  # of silence, after which sound begins anew; shorter gaps belong to speech

Sound = NDArray[np.bool_]  # [n]: whether window i, from i * WINDOW_S on, holds sound


def sounding(samples: NDArray[np.float32], rate: int) -> Sound:
    """Return which whole windows of samples [n] hold sound."""
    size = round(WINDOW_S * rate)
    windows = samples[: len(samples) // size * size].reshape(-1, size).astype(np.float64)
    level: Sound = np.square(windows).mean(axis=1) > 10 ** (SOUND_DBFS / 10)
    return level


def first_sound(sound: Sound, from_s: float, until_s: float) -> float | None:
    """Return when the first window with sound in [from_s, until_s) begins, or None."""
    first = _window(from_s)
    found = np.flatnonzero(sound[first : _window(until_s)])
    return float((first + found[0]) * WINDOW_S) if len(found) else None


def any_sound(sound: Sound, from_s: float, until_s: float) -> bool:
    """Whether there is sound in [from_s, until_s)."""
    return first_sound(sound, from_s, until_s) is not None


def last_sound(sound: Sound, from_s: float, until_s: float) -> float | None:
    """Return when the last window with sound in [from_s, until_s) ends, or None."""
    first = _window(from_s)
    found = np.flatnonzero(sound[first : _window(until_s)])
    return float((first + found[-1] + 1) * WINDOW_S) if len(found) else None


def spans(sound: Sound) -> list[tuple[float, float]]:
    """Return when sound begins and ends, gaps shorter than ``QUIET_S`` bridged, in seconds."""
    found = np.flatnonzero(sound)
    if not len(found):
        return []
    breaks = np.flatnonzero((np.diff(found) - 1) * WINDOW_S >= QUIET_S - 1e-9)
    firsts = found[[0, *(breaks + 1)]]
    lasts = found[[*breaks, len(found) - 1]]
    return [
        (float(a * WINDOW_S), float((b + 1) * WINDOW_S)) for a, b in zip(firsts, lasts, strict=True)
    ]


def _window(at_s: float) -> int:
    """Return the first window that begins at or after a time."""
    return max(0, math.ceil(at_s / WINDOW_S - 1e-6))
