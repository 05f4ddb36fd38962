"""The node as a process of its own over DDS, with what it says and how it is."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from personaplex_ros.node.dds.bus import DdsBus
from personaplex_ros.node.hosts.bus import RELIABLE

QUESTION_S = 6.5
"""The caller's first question, on which floor the meeting room is, and time for the answer."""


def is_sound(name: str) -> bool:
    """Tell whether a status is one of a card or stream."""
    return name.endswith((" card", " stream"))


class Robot:
    """The node as a process, with what it says and how it is."""

    def __init__(self, *words: str) -> None:
        self.bus = DdsBus("listener")
        self.said: list[str] = []
        self.statuses: dict[str, tuple[int, str]] = {}
        self.bus.subscribe(
            "transcript", "personaplex_ros/msg/Utterance", RELIABLE, lambda m, _: self._say(m)
        )
        self.bus.subscribe(
            "/diagnostics", "diagnostic_msgs/msg/DiagnosticArray", RELIABLE, self._take
        )
        command = [sys.executable, "-m", "personaplex_ros", "node", "--end-with-stdin"]
        self._child = subprocess.Popen([*command, "--ros-args", *words], stdin=subprocess.PIPE)

    def levels(self) -> dict[str, int]:
        """Return how cards and streams are."""
        return {name: level for name, (level, _) in self.statuses.items() if is_sound(name)}

    def is_active(self) -> bool:
        """Tell whether it holds a conversation."""
        assert self._child.poll() is None, "the node has ended"
        return self.statuses.get("personaplex: conversation", (0, ""))[1] == "active"

    def close(self) -> int:
        """End it; returns its exit status."""
        self._child.terminate()
        status = self._child.wait(20)
        self.bus.close()
        return status

    def _say(self, message: Any) -> None:
        self.said.append(message.text)

    def _take(self, message: Any, _: str) -> None:
        for status in message.status:
            self.statuses[status.name] = (int(status.level), status.message)
