"""Which velocity command reaches the base: twist_mux's rules, from twist_mux's parameter file.

As published for twist_mux 4: an input whose priority is below that of a lock which is locked is
masked; so is one that has not come for its timeout (0 means never). A lock is locked while its
last message was true, or while none has come for its timeout, also before the first. Of the
inputs that are not masked the highest priority is forwarded, message by message. Nothing is sent
in place of a masked command: it is the base that stops when none comes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

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


class VelocityMux:
    """Decides for every command; times in seconds of one clock."""

    def __init__(self, configuration: MuxConfiguration) -> None:
        self._inputs = {topic.name: topic for topic in configuration.inputs}
        self._locks = {topic.name: topic for topic in configuration.locks}
        self._heard: dict[str, float] = {}
        self._locked: dict[str, bool] = {}

    def take_lock(self, name: str, locked: bool, now: float) -> None:
        """Note a lock's message."""
        self._heard[f"lock {name}"] = now
        self._locked[name] = locked

    def forwards(self, name: str, now: float) -> bool:
        """Tell whether the command that just came on input `name` goes to the base."""
        self._heard[name] = now
        barrier = self._lock_priority(now)
        best: MuxTopic | None = None
        for topic in self._inputs.values():
            expired = self._expired(topic.name, topic.timeout, now)
            if expired or topic.priority < barrier:
                continue
            if best is None or topic.priority > best.priority:
                best = topic
        return best is not None and best.name == name

    def _lock_priority(self, now: float) -> int:
        locked = [
            lock.priority
            for lock in self._locks.values()
            if self._locked.get(lock.name, False)
            or self._expired(f"lock {lock.name}", lock.timeout, now)
        ]
        return max(locked, default=0)

    def _expired(self, key: str, timeout: float, now: float) -> bool:
        heard = self._heard.get(key)
        return timeout > 0.0 and (heard is None or now - heard > timeout)


def read_mux_file(path: str | Path) -> MuxConfiguration:
    """Read a parameter file of twist_mux; ValueError names the file, the key and the remedy."""
    path = Path(path)
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
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
    return MuxConfiguration(
        topics["topics"], topics["locks"], bool(parameters.get("use_stamped", True))
    )


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
