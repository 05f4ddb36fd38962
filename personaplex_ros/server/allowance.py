"""How much a client may take at once, and in the long run."""

from __future__ import annotations

import time
from collections.abc import Callable

ROUNDING = 1e-6


class Allowance:
    """Grows by `rate` a second up to `most`, which there is at the beginning; for one thread."""

    def __init__(self, rate: float, most: float, now: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._most, self._now = rate, most, now
        self._left = most
        self._known_s = now()

    @property
    def left(self) -> float:
        """What may be taken now."""
        now = self._now()
        self._left = min(self._most, self._left + (now - self._known_s) * self._rate)
        self._known_s = now
        return self._left

    def take(self, amount: float) -> bool:
        """Take so much; False, and nothing is taken, where that is more than there is."""
        if amount > self.left + ROUNDING:
            return False
        self._left -= amount
        return True

    def fill(self) -> None:
        """Let there be the most again, as at the beginning."""
        self._left = self._most

    def wait_s(self, amount: float) -> float:
        """Return how long it is until so much may be taken, in seconds."""
        return max(0.0, (amount - self.left) / self._rate)
