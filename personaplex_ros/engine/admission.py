"""Whether one more conversation fits into a frame's time, judged by measured frames."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

SHARE = 0.75  # of a frame's time that a step may take
REMEMBERED = 500  # frames of each number of rows, 40 s
ENOUGH = 100  # frames to judge by
VALID_S = 600.0  # after which what was measured says nothing about now


@dataclass(frozen=True)
class FrameTime:
    """How long frames of so many rows take, and where that is known from."""

    seconds: float
    source: str


class Admission:
    """Remembers how long frames of so many rows take.

    ``measured`` are seconds a frame by number of rows, with every context full. Of them and of
    what has run lately, the longer time counts. What has run is judged by its median: another
    program's load, or a persona that is prepared, makes some frames late and says nothing about
    one more conversation. ``share`` is how much of a frame's time (0 to 1) a step may take.
    """

    def __init__(
        self,
        frame_s: float,
        measured: Mapping[int, float],
        share: float = SHARE,
        now: Callable[[], float] = time.monotonic,
    ):
        self._frame_s, self._share, self._now = frame_s, share, now
        self._measured = dict(measured)
        self._taken: dict[int, deque[tuple[float, float]]] = {}  # when, seconds

    def note(self, rows: int, seconds: float) -> None:
        """Remember a frame."""
        taken = self._taken.setdefault(rows, deque(maxlen=REMEMBERED))
        taken.append((self._now(), seconds))

    def frame_time(self, rows: int) -> FrameTime | None:
        """Return how long frames of so many rows take; None if that is not known."""
        known = []
        since = self._now() - VALID_S
        noted = tuple(self._taken.get(rows, ()))  # at once: others may ask while frames are noted
        taken = [seconds for when, seconds in noted if when >= since]
        if len(taken) >= ENOUGH:
            known.append(FrameTime(median(taken), f"the median of the last {len(taken)}"))
        if rows in self._measured:
            known.append(FrameTime(self._measured[rows], "measured at the start"))
        return max(known, key=lambda time: time.seconds, default=None)

    def check(self, rows: int) -> str:
        """Say what speaks for one more; raises RuntimeError with what speaks against it."""
        limit = f"{1e3 * self._share * self._frame_s:.1f} ms"
        time = self.frame_time(rows)
        if time is None:
            return f"how long a frame of {rows} conversations takes is not known yet"
        taken = f"a frame of {rows} conversations takes {1e3 * time.seconds:.1f} ms ({time.source})"
        if time.seconds <= self._share * self._frame_s:
            return f"{taken}, at most {limit} are allowed"
        raise RuntimeError(
            f"{taken}, more than {limit}, which is admission_share ({self._share:g}) of its "
            f"{1e3 * self._frame_s:.0f} ms; close a session first, use a faster device, or set a "
            "larger admission_share"
        )
