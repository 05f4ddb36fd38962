"""A graph in memory with a clock of its own, for a robot that moves while nobody waits."""

# ruff: noqa: D102

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from node_support import Handle, MemoryBus


class Graph(MemoryBus):
    """What is published is heard at once; timers are called when `tick` reaches their time."""

    def __init__(self) -> None:
        super().__init__()
        self.time_s = 1000.0
        self._listeners: dict[str, list[Callable[[Any, str], None]]] = defaultdict(list)
        self._timers: list[tuple[float, Callable[[], None]]] = []
        self._steps = 0
        self._lock = threading.RLock()

    def now_ns(self) -> int:
        return round(self.time_s * 1e9)

    def subscribe(self, topic: str, type_name: str, qos: Any, callback: Any) -> Handle:
        self._listeners[topic].append(callback)
        return super().subscribe(topic, type_name, qos, callback)

    def every(self, period_s: float, callback: Callable[[], None]) -> Handle:
        self._timers.append((period_s, callback))
        return super().every(period_s, callback)

    def published(self, topic: str, msg: Any) -> None:
        with self._lock:
            super().published(topic, msg)
            for callback in self._listeners[topic]:
                callback(msg, "")

    def tick(self, seconds: float) -> None:
        """Let time pass in steps of 20 ms."""
        for _ in range(round(seconds * 50)):
            self.time_s += 0.02
            self._steps += 1
            for period_s, callback in self._timers:
                if self._steps % round(period_s * 50) == 0:
                    callback()

    def hold(self, value: bool) -> None:
        message = self.message("std_msgs/msg/Bool")()
        message.data = value
        self.published("motion_hold", message)

    def run(self, seconds: float, hold: bool | None) -> list[tuple[float, bool]]:
        """Repeat motion_hold at 10 Hz, unless None; return (time, moves) of odom."""
        motion = []
        for step in range(round(seconds * 50)):
            if hold is not None and step % 5 == 0:
                self.hold(hold)
            self.tick(0.02)
            twist = self.topics["odom"][-1].twist.twist
            motion.append((self.time_s, twist.linear.x != 0.0 or twist.angular.z != 0.0))
        return motion
