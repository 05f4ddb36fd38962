"""Ending a process as ROS 2 tools ask for it: SIGINT first, then SIGTERM; SIGHUP of a terminal."""

from __future__ import annotations

import signal
import threading
from types import FrameType

CANNOT_START = 2
"""Exit status when arguments, parameters or the installation have to be mended first."""


def ending_signal() -> threading.Event:
    """Return an event that SIGINT, SIGTERM and SIGHUP set from now on; call from the main thread.

    A second signal ends the process at once, so that nobody has to wait for a model that loads.
    """
    ending = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        ending.set()
        for other in signals:
            signal.signal(other, signal.SIG_DFL)

    signals = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as nohup has it
        signals.append(signal.SIGHUP)
    for number in signals:
        signal.signal(number, end)
    return ending
