"""A node's bus without ROS: names, log and serving, over a middleware's endpoints."""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from personaplex_ros.node.bare.action import ActionServer
from personaplex_ros.node.bare.action_client import ActionClient
from personaplex_ros.node.bare.endpoints import (
    CountingPublisher,
    CountingSubscription,
    Endpoints,
    Respond,
)
from personaplex_ros.node.bare.executor import Executors
from personaplex_ros.node.bare.types import MessageTypes
from personaplex_ros.node.hosts.bus import (
    Check,
    Client,
    Closable,
    Goal,
    LogLevel,
    Qos,
    Timer,
    accept_all,
)
from personaplex_ros.node.hosts.names import Kind, NodeName, RosArguments, remap_node, resolve
from personaplex_ros.node.hosts.serving import accepting, answering

_LEVELS: dict[str, int] = {"debug": 10, "info": 20, "warn": 30, "error": 40, "fatal": 50}


class BareBus(ABC):
    """One node on a ROS 2 graph, as :class:`personaplex_ros.node.hosts.bus.Bus` describes it.

    ``name`` and ``namespace`` are defaults that the arguments' remapping rules may replace.
    A middleware's own constructor sets ``executors`` and ``endpoints``.
    """

    executors: Executors[Any]
    endpoints: Endpoints

    def __init__(
        self, name: str, namespace: str = "/", arguments: RosArguments | None = None
    ) -> None:
        self.arguments = arguments or RosArguments()
        self._rules = self.arguments.remaps
        self.node = remap_node(NodeName(name, namespace), self._rules)
        self._level = _LEVELS[self.node.log_level(self.arguments.log_levels)]
        self._closed = False

    @property
    def types(self) -> MessageTypes:
        """The classes of messages."""
        return self.endpoints.types

    @property
    def node_name(self) -> str:
        """Return the node's full name after remapping."""
        return self.node.full

    def topic_name(self, topic: str) -> str:
        """Return a topic's full name after remapping."""
        return self.resolve(topic, "topic")

    @abstractmethod
    def namesakes(self) -> int:
        """Return how many other nodes of this full name the graph has."""

    @abstractmethod
    def leave(self) -> None:
        """Take the node out of the graph at once; its threads have ended."""

    def resolve(self, name: str, kind: Kind) -> str:
        """Return the absolute name of a topic or service after remapping."""
        return resolve(name, kind, self.node, self._rules)

    def now_ns(self) -> int:
        """Return the wall clock's time, nanoseconds since the epoch."""
        return time.time_ns()

    def message(self, type_name: str) -> type[Any]:
        """Return a class, with Request and Response for a service, Goal ... for an action."""
        return self.types.named(type_name)

    def advertise(self, topic: str, type_name: str, qos: Qos) -> CountingPublisher:
        """Open a topic for sending."""
        name = self.resolve(topic, "topic")
        return self.endpoints.publisher(name, self.types.message(type_name), qos)

    def subscribe(
        self, topic: str, type_name: str, qos: Qos, callback: Callable[[Any, str], None]
    ) -> CountingSubscription:
        """Call ``callback(msg, publisher_id)`` on the executor's thread for every message.

        Number sequences of ``msg`` are read-only NumPy arrays. The id stays the same as long as
        the publisher lives, and differs when it comes back.
        """
        name = self.resolve(topic, "topic")
        return self.endpoints.subscription(name, self.types.message(type_name), qos, callback)

    def serve(
        self,
        name: str,
        type_name: str,
        handler: Callable[[Any, Any], Any],
        slow: bool = False,
    ) -> Closable:
        """Answer requests with ``handler(request, response) -> response``.

        Handlers run one at a time on a thread of their own, beside topics and timers; each
        slow service has another one, which ends with the bus.
        """
        types = self.types.service(type_name)
        name = self.resolve(name, "service")
        safe = answering(handler, name, self.log)

        def answer(request: Any, respond: Respond) -> None:
            respond(safe(request, types.Response()))

        return self.endpoints.service(name, types, answer, "slow" if slow else "services")

    def serve_action(
        self, name: str, type_name: str, begin: Callable[[Goal], None], check: Check = accept_all
    ) -> ActionServer:
        """Call ``begin(goal)`` for each goal that passes, on a thread of actions alone."""
        name = self.resolve(name, "service")
        accepts = accepting(check, name, self.log)
        return ActionServer(self.endpoints, name, type_name, begin, accepts)

    def action_client(self, name: str, type_name: str) -> ActionClient:
        """Open the calling end of an action; answers come on the thread of topics and timers."""
        return ActionClient(self.endpoints, self.resolve(name, "service"), type_name)

    def client(self, name: str, type_name: str) -> Client:
        """Open the calling end of a service; replies come on the thread of topics and timers."""
        return self.endpoints.client(self.resolve(name, "service"), self.types.service(type_name))

    def every(self, period_s: float, callback: Callable[[], None]) -> Timer:
        """Call ``callback()`` at a fixed rate on the executor's thread."""
        return self.executors.topics.every(period_s, callback)

    def log(self, level: LogLevel, text: str) -> None:
        """Write one line to stderr in the format of ROS 2's console."""
        if _LEVELS[level] >= self._level:
            seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
            stamp = f"{seconds}.{nanoseconds:09d}"
            print(f"[{level.upper()}] [{stamp}] [{self.node.logger}]: {text}", file=sys.stderr)

    def close(self) -> None:
        """Stop the threads and take the node out of the graph at once."""
        if not self._closed:
            self._closed = True
            self.executors.close()
            self.leave()
