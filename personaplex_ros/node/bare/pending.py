"""The requests of one client that wait for their answers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


class Pending:
    """Numbers requests from 1 and keeps who waits for each; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0
        self._waiting: dict[int, Callable[[Any], None]] = {}
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether nothing is waited for any more."""
        return self._closed

    def add(self, callback: Callable[[Any], None]) -> int | None:
        """Return the number of a new request; None once closed."""
        with self._lock:
            if self._closed:
                return None
            self._last += 1
            self._waiting[self._last] = callback
            return self._last

    def take(self, number: int) -> Callable[[Any], None] | None:
        """Return who waits for an answer, once."""
        with self._lock:
            return self._waiting.pop(number, None)

    def close(self) -> bool:
        """Wait for nothing more; False if that was said before."""
        with self._lock:
            before, self._closed = self._closed, True
            self._waiting.clear()
            return not before
