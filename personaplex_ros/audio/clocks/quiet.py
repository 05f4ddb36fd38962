"""Making pauses shorter or longer, where nobody hears it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

QUIET = 0.003
"""Peak below which sound is a pause: -50 dBFS."""


def is_quiet(samples: NDArray[np.float32]) -> bool:
    """Tell whether samples [n] are part of a pause."""
    return bool(np.abs(samples).max(initial=0.0) < QUIET)


def stretched(samples: NDArray[np.float32], more: int, fade: int) -> NDArray[np.float32]:
    """Return a pause float32 [n] with `more` samples, or fewer if that is negative.

    Both ends stay; in the middle `fade` samples pass from one part to the other. At most
    n - 2 * fade samples come or go.
    """
    most = len(samples) - 2 * fade
    more = min(max(more, -most), most)
    if most < 1 or more == 0:
        return samples
    total = len(samples) + more + fade
    head, tail = samples[: total // 2], samples[-(total - total // 2) :]
    ramp = np.linspace(0.0, 1.0, fade, dtype=np.float32)
    middle = head[-fade:] + ramp * (tail[:fade] - head[-fade:])
    return np.concatenate([head[:-fade], middle, tail[fade:]])
