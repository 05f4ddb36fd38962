"""Ending a process as ROS 2 tools ask for it: SIGINT first, then SIGTERM."""

from __future__ import annotations

import signal
import threading
from types import FrameType


def ending_signal() -> threading.Event:
    """Return an event that SIGINT and SIGTERM set from now on; call from the main thread.

    A second signal has its usual effect, so that nobody has to wait for a model that loads.
    """
    ending = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        ending.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    return ending
