"""A sound by which a loudspeaker is recognised."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FADE_S = 0.02


def tone(rate: int, seconds: float = 1.0, hertz: float = 440.0) -> NDArray[np.float32]:
    """Return a sine at -18 dBFS (rms -21), float32 [n], that begins and ends softly."""
    times = np.arange(round(seconds * rate)) / rate
    fade = np.clip(np.minimum(times, seconds - times) / FADE_S, 0.0, 1.0)
    return (10 ** (-18 / 20) * fade * np.sin(2 * np.pi * hertz * times)).astype(np.float32)
