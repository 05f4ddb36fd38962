"""Ending a process as ROS 2 tools ask for it: SIGINT first, then SIGTERM."""

from __future__ import annotations

import signal
import threading
from types import FrameType


def ending_signal() -> threading.Event:
    """Return an event that SIGINT and SIGTERM set from now on; call from the main thread."""
    ending = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        ending.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    return ending
