"""How irregularly a stream arrives."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WINDOW = 500
"""Arrivals that count: the last 10 s of messages of 20 ms, 40 s of messages of 80 ms."""
FEWEST = 5
"""Arrivals before which nothing can be said."""
SHARE = 0.99
"""Share of the arrivals that a delay is to cover."""
STALLS = 25
"""Arrivals held up in a row after which it is no stall: the stream goes on that much later."""


class Lateness:
    """Compares when the parts of a stream arrive with where they lie in it.

    An arrival is as late as it is later, for its place in the stream, than the earliest of the last
    `WINDOW`; no clock has to agree with another for that, as long as both run at about the same
    rate. `spread_s` is how late all but the latest hundredth of them are. What is later than
    `stall_s`, and what comes at once behind it, was held up and says nothing about the line.
    """

    def __init__(self, stall_s: float) -> None:
        self._stall_s = stall_s
        self._delays: NDArray[np.float64] = np.zeros(WINDOW)
        self.forget()

    def forget(self) -> None:
        """Begin anew, as for another stream."""
        self._count = self._stalls = 0
        self._earliest_s = 0.0
        self._last = (0.0, 0.0)
        self._judged = 0
        self.spread_s = 0.0

    def push(self, position_s: float, now_s: float) -> float | None:
        """Note that the part at `position_s` of the stream arrived at `now_s`.

        Returns by how many seconds it is late; None where it was held up.
        """
        delay_s = now_s - position_s
        if self._count and self._is_held_up(position_s, now_s):
            self._stalls += 1
            if self._stalls < STALLS:
                self._last = position_s, now_s
                return None
            self.forget()
        self._stalls = 0
        leaving_s = self._delays[self._count % WINDOW]
        self._delays[self._count % WINDOW] = delay_s
        self._count += 1
        if self._count == 1 or delay_s <= self._earliest_s:
            self._earliest_s = delay_s
        elif self._count > WINDOW and leaving_s <= self._earliest_s:
            self._earliest_s = float(self._delays.min())
        self._judge()
        return delay_s - self._earliest_s

    def due_s(self, position_s: float) -> float:
        """Return when the part at `position_s` arrives if it is not late."""
        return position_s + self._earliest_s

    def _is_held_up(self, position_s: float, now_s: float) -> bool:
        late_s = now_s - position_s - self._earliest_s
        if late_s > self._stall_s:
            return True
        before_position_s, before_s = self._last
        hurried = now_s - before_s < 0.5 * (position_s - before_position_s)
        return self._stalls > 0 and hurried and late_s > 0.0

    def _judge(self) -> None:
        """Look at the spread anew, often at the beginning and seldom later."""
        if self._count < FEWEST or self._count < self._judged + min(self._judged // 4, 25):
            return
        self._judged = self._count
        delays = self._delays[: min(self._count, WINDOW)]
        place = min(len(delays) - 1, round(SHARE * len(delays)))
        self.spread_s = float(np.partition(delays, place)[place]) - self._earliest_s
