"""Filling messages by their ROS field names, whatever library the classes come from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from personaplex_ros.node.hosts.bus import Bus

NS_PER_S = 1_000_000_000
FIRST_NS, LAST_NS = -(2**31) * NS_PER_S, 2**31 * NS_PER_S - 1
"""What a builtin_interfaces/Time can hold: 1901 to 2038."""


@dataclass(frozen=True)
class Status:
    """One entry of a diagnostics message; `level` is 0 OK, 1 WARN, 2 ERROR.

    `name` is the task's; the message has the node's full name before it.
    """

    name: str
    level: int
    message: str
    values: Sequence[tuple[str, str]] = ()


OK, WARN, ERROR = 0, 1, 2

CONVERSATION = "conversation"
"""The task of /diagnostics that tells the node's state."""


def time_ns(time: Any) -> int:
    """Return a builtin_interfaces/Time or Duration in nanoseconds."""
    return int(time.sec) * NS_PER_S + int(time.nanosec)


def time_fields(ns: int) -> tuple[int, int]:
    """Return sec and nanosec of a builtin_interfaces/Time or Duration, as near as these can be.

    What follows from a stamp of others, such as the end of their frame, may be beyond.
    """
    return divmod(min(max(int(ns), FIRST_NS), LAST_NS), NS_PER_S)


def set_time(time: Any, ns: int) -> None:
    """Write `ns` into a builtin_interfaces/Time or Duration."""
    time.sec, time.nanosec = time_fields(ns)


def set_header(header: Any, stamp_ns: int, frame_id: str) -> None:
    """Write a std_msgs/Header."""
    set_time(header.stamp, stamp_ns)
    header.frame_id = frame_id


class DiagnosticsFactory:
    """Makes diagnostic_msgs/DiagnosticArray messages."""

    def __init__(self, bus: Bus) -> None:
        self._node = bus.node_name.removeprefix("/")
        self._array = bus.message("diagnostic_msgs/msg/DiagnosticArray")
        self._status = bus.message("diagnostic_msgs/msg/DiagnosticStatus")
        self._value = bus.message("diagnostic_msgs/msg/KeyValue")

    def array(self, stamp_ns: int, device: str, statuses: Iterable[Status]) -> Any:
        """Return one message with all `statuses` of this node and its `device`.

        As diagnostic_updater has it, names are "<node>: <task>", with the full name of the node:
        an aggregator can tell robots apart by names and by hardware ids.
        """
        hardware_id = f"{self._node}: {device}" if device else self._node
        message = self._array()
        set_header(message.header, stamp_ns, "")
        message.status = [self._one(hardware_id, status) for status in statuses]
        return message

    def _one(self, hardware_id: str, status: Status) -> Any:
        message = self._status()
        # The field is of type byte, which rclpy represents as bytes of length one.
        one_byte = isinstance(message.level, bytes)
        message.level = bytes([status.level]) if one_byte else status.level
        message.name = f"{self._node}: {status.name}"
        message.message = status.message
        message.hardware_id = hardware_id
        message.values = [self._pair(key, value) for key, value in status.values]
        return message

    def _pair(self, key: str, value: str) -> Any:
        message = self._value()
        message.key = key
        message.value = value
        return message


def without_comments(definition: str) -> str:
    """Return the text of a message definition without its comments, as rosbags parses it.

    They end at any #, also after a string constant, as in rosidl's parser.
    """
    return re.sub(r"[ \t]*(#.*)?$", "", definition, flags=re.MULTILINE) + "\n"
