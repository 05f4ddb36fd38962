"""Where things go in the picture: rows of time, and labels that never overlap."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

ROW_S = 12.0  # the most seconds of one row: at speaking rate, words then fit on one line


@dataclass(frozen=True)
class Placed:
    """The left edge of a label, and the line it stands on (0 is the nearest to the waveform)."""

    left: float
    level: int


def row_starts(extent_s: float) -> tuple[list[float], float]:
    """Return where each row of time begins, and the rows' common length in seconds.

    Rows are as even as whole seconds allow, so that no row holds just a remainder; a single row
    ends where the recording does.
    """
    count = math.ceil(extent_s / ROW_S - 1e-9)
    if count <= 1:
        return [0.0], max(1.0, extent_s)
    span = float(math.ceil(extent_s / count - 1e-9))
    return [row * span for row in range(count)], span


def place_labels(
    anchors: Sequence[float],
    widths: Sequence[float],
    *,
    right: float,
    gap: float,
    levels: int,
) -> list[Placed | None]:
    """Place labels that start at ascending ``anchors`` on the first line where they are free.

    A label moves left of its anchor only to end at ``right``. No two labels of a line come closer
    than ``gap``. None stands for a label that fits on none of the ``levels`` lines.
    """
    ends: list[float] = []
    placed: list[Placed | None] = []
    for anchor, width in zip(anchors, widths, strict=True):
        left = min(anchor, right - width)
        level = next((i for i, end in enumerate(ends) if end + gap <= left), len(ends))
        if level == levels:
            placed.append(None)
            continue
        if level == len(ends):
            ends.append(left + width)
        ends[level] = left + width
        placed.append(Placed(left, level))
    return placed


def stack_flags(anchors: Sequence[float], widths: Sequence[float], gap: float) -> list[int]:
    """Return a level for each flag: a stem at its (ascending) anchor with a label to the right.

    A flag stands just above all that begin within its label's width, so that neither two labels
    overlap nor a stem, which comes down to level 0, passes through a label.
    """
    levels = [0] * len(anchors)
    for index in reversed(range(len(anchors))):
        reach = anchors[index] + widths[index] + gap
        later = range(index + 1, len(anchors))
        levels[index] = 1 + max((levels[i] for i in later if anchors[i] < reach), default=-1)
    return levels


def tick_step(span_s: float) -> float:
    """Return the seconds between labelled ticks of a row: some five to thirteen of them."""
    return next(step for step in (0.1, 0.2, 0.5, 1.0) if span_s / step <= 13)


def elide(text: str, longest: int) -> str:
    """Return ``text`` on one line, cut to ``longest`` characters with an ellipsis."""
    text = " ".join(text.split())
    return text if len(text) <= longest else text[: longest - 1] + "…"
