"""An executor's thread that outlives what a callback raises."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any

from rclpy.executors import Executor

MOST_FAULTS = 20
PERIOD_S = 1.0


class Spinner:
    """Spins an executor in a thread until it is shut down.

    What gets through to it, such as an answer to a client that has gone, is logged. Only when
    `MOST_FAULTS` come within `PERIOD_S` the executor itself is broken: then `failure` is set and
    `ending` told.
    """

    def __init__(self, executor: Executor, logger: Any, ending: threading.Event) -> None:
        self.failure: BaseException | None = None
        self._executor = executor
        self._logger = logger
        self._ending = ending
        self._thread = threading.Thread(target=self._spin, name="executor", daemon=True)
        self._thread.start()

    def join(self, timeout_s: float) -> None:
        """Wait for the thread's end."""
        self._thread.join(timeout_s)

    def _spin(self) -> None:
        faults: deque[float] = deque(maxlen=MOST_FAULTS)
        while True:
            try:
                self._executor.spin()
                return
            except Exception as error:
                self._logger.error(f"a callback failed: {error!r}")
                faults.append(time.monotonic())
                if len(faults) == MOST_FAULTS and faults[-1] - faults[0] < PERIOD_S:
                    self.failure = error
                    self._ending.set()
                    return
