"""The parameter file of a twist_mux.

Launch files read it, too, and they run in ROS's own Python: nothing but PyYAML is needed here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from personaplex_ros.text_file import read_yaml

NODES = ("/**/twist_mux", "/**", "/twist_mux", "twist_mux")  # names that a file may give the mux


@dataclass(frozen=True)
class MuxTopic:
    """An input or a lock: timeout in seconds, priority from 0 to 255."""

    name: str
    topic: str
    timeout: float
    priority: int


@dataclass(frozen=True)
class MuxConfiguration:
    """stamped: geometry_msgs/TwistStamped in place of Twist."""

    inputs: tuple[MuxTopic, ...]
    locks: tuple[MuxTopic, ...]
    stamped: bool


def read_mux_file(path: str | Path) -> MuxConfiguration:
    """Read a parameter file of twist_mux; ValueError names the file, the key and the remedy."""
    path = Path(path)
    content = read_yaml(path)
    try:
        (node,) = [name for name in content if name in NODES]
        parameters = content[node]["ros__parameters"]
    except (TypeError, KeyError, ValueError):
        raise ValueError(
            f"{path}: no parameters (ros__parameters) of exactly one of {', '.join(NODES)}"
        ) from None
    topics = {
        kind: tuple(
            _topic(path, f"{kind}.{name}", name, values)
            for name, values in (parameters.get(kind) or {}).items()
        )
        for kind in ("topics", "locks")
    }
    return MuxConfiguration(topics["topics"], topics["locks"], _stamped(path, parameters))


def _stamped(path: Path, parameters: Mapping[str, Any]) -> bool:
    """Return use_stamped, which twist_mux 4.4 and later do not start without (its issue 57)."""
    stamped = parameters.get("use_stamped")
    if not isinstance(stamped, bool):
        raise ValueError(
            f"{path}: use_stamped is {'missing' if stamped is None else repr(stamped)}, with which "
            "twist_mux 4.4 and later end at once; write true for geometry_msgs/TwistStamped or "
            "false for Twist"
        )
    return stamped


def _topic(path: Path, key: str, name: str, values: Any) -> MuxTopic:
    if not isinstance(values, Mapping) or set(values) != {"topic", "timeout", "priority"}:
        raise ValueError(f"{path}: {key} is {values!r}; it must have topic, timeout and priority")
    timeout, priority = values["timeout"], values["priority"]
    # twist_mux takes the timeout as a double and the priority as an integer, and nothing else.
    if not isinstance(timeout, float) or timeout < 0.0:
        raise ValueError(f"{path}: {key}.timeout is {timeout!r}; write seconds as 0.5, not below 0")
    if type(priority) is not int or not 0 <= priority <= 255:
        raise ValueError(f"{path}: {key}.priority is {priority!r}; it must be from 0 to 255")
    return MuxTopic(name, str(values["topic"]), timeout, priority)
