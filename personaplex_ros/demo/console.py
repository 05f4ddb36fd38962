"""Shows a conversation as lines of text while it happens."""

from __future__ import annotations

import threading
from typing import TextIO

LABELS = {
    "user_started": "caller speaks",
    "user_stopped": "caller stops",
    "robot_started": "robot speaks",
    "robot_stopped": "robot stops",
    "interruption": "INTERRUPTION",
    "robot_yielded": "robot yields",
    "robot_kept_floor": "robot keeps the floor",
    "robot_silenced": "robot is silenced",
    "backchannel": "backchannel",
    "robot_backchannel": "robot's backchannel",
    "long_silence": "long silence",
}


class Console:
    """Writes words as they come, and each turn event on a line of its own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._in_words = False

    def word(self, time_s: float, text: str) -> None:
        """Continue the robot's line by a piece of text, or begin one."""
        with self._lock:
            if not self._in_words:
                self._stream.write(f"{time_s:7.2f} s  robot: ")
                text = text.lstrip()
            self._in_words = True
            self._stream.write(text)
            self._stream.flush()

    def event(self, time_s: float, kind: str) -> None:
        """Write an event."""
        self.line(f"{time_s:7.2f} s  - {LABELS.get(kind, kind)}")

    def line(self, text: str) -> None:
        """Write a line of its own."""
        with self._lock:
            self._stream.write("\n" * self._in_words + text + "\n")
            self._stream.flush()
            self._in_words = False
