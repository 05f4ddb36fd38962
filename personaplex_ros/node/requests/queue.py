"""Asking the model thread to do something between two frames, and waiting for it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

REQUEST_TIMEOUT_S = 10.0
"""How long one who asks waits for the end of a frame."""


class _Request:
    def __init__(self, action: Callable[[], None]) -> None:
        self._action = action
        self._lock = threading.Lock()
        self._given_up = False
        self._done = threading.Event()
        self._error: Exception | None = None

    def run(self) -> None:
        with self._lock:
            if self._given_up:
                return
            try:
                self._action()
            except Exception as error:
                self._error = error
            self._done.set()

    def wait(self, timeout_s: float) -> None:
        if not self._done.wait(timeout_s):
            with self._lock:
                self._given_up = not self._done.is_set()
        if self._given_up:
            raise TimeoutError(f"the model did not come to an end of its frame in {timeout_s:g} s")
        if self._error is not None:
            raise self._error


class RequestQueue:
    """Actions that one thread runs for others."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[_Request] = queue.SimpleQueue()

    def ask(self, action: Callable[[], None]) -> None:
        """Have `action` run by the serving thread; raises what it raises.

        Raises TimeoutError when it did not begin in REQUEST_TIMEOUT_S; it will then never run.
        """
        request = _Request(action)
        self._queue.put(request)
        request.wait(REQUEST_TIMEOUT_S)

    def serve(self) -> None:
        """Run what was asked for; called by the serving thread."""
        while True:
            try:
                request = self._queue.get_nowait()
            except queue.Empty:
                return
            request.run()
