"""What is played in place of lost sound: the voice goes on in its pitch, and fades to silence.

Waveform substitution as in ITU-T G.711, appendix I. Where what follows the loss is known, too, it
is continued backwards to meet it, so that no received sample is touched.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

HISTORY_S = 0.06
"""How much of the sound beside a loss is looked at."""
FULL_S = 0.02
"""Time for which a continuation keeps its level."""
SILENT_S = 0.1
"""Time after which it has faded to silence: a voice seldom goes on for longer as it was."""
SHORTEST_S, LONGEST_S = 0.0025, 0.015
"""Periods of voices, 400 to 67 Hz."""
TEMPLATE_S = 0.015
"""Length that is compared to find the period."""
REPEATED_S = 0.012
"""At least this much is repeated, as a single period buzzes."""


def extend(past: NDArray[np.float32], count: int, rate: int) -> NDArray[np.float32]:
    """Continue sound float32 [n] at `rate` Hz by float32 [count], fading to silence.

    Of `past` the last 60 ms count; with less than 30 ms of it silence follows.
    """
    past = past[-round(HISTORY_S * rate) :]
    longest, template = round(LONGEST_S * rate), round(TEMPLATE_S * rate)
    if count < 1 or len(past) < longest + template or not past.any():
        return np.zeros(max(0, count), np.float32)
    period = _period(past[-longest - template :], template, round(SHORTEST_S * rate))
    repeated = min(-(-round(REPEATED_S * rate) // period) * period, len(past) * 3 // 4)
    loop = past[-repeated:].copy()
    seam = period // 4
    ramp = np.linspace(0.0, 1.0, seam, endpoint=False, dtype=np.float32)
    # The end of the loop becomes what stood before its begin.
    loop[-seam:] += ramp * (past[-repeated - seam : -repeated] - loop[-seam:])
    result = np.resize(loop, count)
    step = past[-1] - past[-repeated - 1]
    head = min(seam, count)
    result[:head] += step * (1.0 - ramp[:head])
    full, silent = round(FULL_S * rate), round(SILENT_S * rate)
    fade = np.linspace(1.0, 0.0, silent - full, dtype=np.float32)[: max(0, count - full)]
    result[full : full + len(fade)] *= fade
    result[full + len(fade) :] = 0.0
    return result


def bridge(
    past: NDArray[np.float32], future: NDArray[np.float32], count: int, rate: int
) -> NDArray[np.float32]:
    """Return float32 [count] in place of what was lost between `past` and `future`, float32 [n]."""
    forwards = extend(past, count, rate)
    backwards = extend(future[::-1], count, rate)[::-1]
    if not backwards.any():
        return forwards
    turn = np.linspace(0.0, np.pi / 2, count, dtype=np.float32)
    return forwards * np.cos(turn) ** 2 + backwards * np.sin(turn) ** 2


def _period(past: NDArray[np.float32], template: int, shortest: int) -> int:
    """Return the lag at which the end of `past`, `template` samples, is most like what was."""
    pattern = past[-template:]
    products = np.correlate(past[:-shortest], pattern, "valid")
    squares = np.concatenate([[0.0], np.cumsum(past[:-shortest].astype(np.float64) ** 2)])
    energies = squares[template:] - squares[:-template]
    likeness = products / np.sqrt(energies + 1e-9)
    return shortest + len(likeness) - 1 - int(likeness.argmax())
