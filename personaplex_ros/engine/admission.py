"""Whether one more conversation fits into a frame's time, judged by measured frames."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import numpy as np

SHARE = 0.75  # of a frame's time that a step may take
REMEMBERED = 500  # frames of each number of rows, 40 s


class Admission:
    """Remembers how long frames of so many rows take.

    ``measured`` are seconds a frame by number of rows, with every context full. Of them and of
    what has run since, the longer time counts.
    """

    def __init__(self, frame_s: float, measured: Mapping[int, float]):
        self._limit_s = SHARE * frame_s
        self._measured = dict(measured)
        self._taken: dict[int, deque[float]] = {}

    def note(self, rows: int, seconds: float) -> None:
        """Remember a frame."""
        self._taken.setdefault(rows, deque(maxlen=REMEMBERED)).append(seconds)

    def seconds(self, rows: int) -> float | None:
        """Return what 99 of 100 frames of so many rows stay under; None if none was measured."""
        taken = self._taken.get(rows, ())
        known = [float(np.percentile(taken, 99))] if len(taken) >= REMEMBERED // 5 else []
        if rows in self._measured:
            known.append(self._measured[rows])
        return max(known, default=None)

    def check(self, rows: int) -> None:
        """Raise RuntimeError if frames of so many rows are known to take too long."""
        seconds = self.seconds(rows)
        if seconds is not None and seconds > self._limit_s:
            raise RuntimeError(
                f"a frame of {rows} conversations takes {1000 * seconds:.1f} ms here, more than "
                f"{1000 * self._limit_s:.1f} ms; close a session first, or use a faster device"
            )
