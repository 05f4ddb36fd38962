"""The node's bus over Cyclone DDS: wire-compatible with ROS 2, without ROS on the machine."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any

from personaplex_ros.node.dds.action import DdsActionClient, DdsActionServer
from personaplex_ros.node.dds.domain import domain_settings
from personaplex_ros.node.dds.endpoints import DdsPublisher, DdsSubscription, Endpoints
from personaplex_ros.node.dds.executor import Executor
from personaplex_ros.node.dds.mismatches import Mismatches
from personaplex_ros.node.dds.participant import Participant
from personaplex_ros.node.dds.service import DdsClient, DdsService, Respond
from personaplex_ros.node.dds.types import MessageTypes, standard_types
from personaplex_ros.node.hosts.bus import Check, Goal, LogLevel, Qos, Timer, accept_all
from personaplex_ros.node.hosts.names import Kind, NodeName, RosArguments, remap_node, resolve
from personaplex_ros.node.hosts.serving import accepting, answering

_LEVELS: dict[str, int] = {"debug": 10, "info": 20, "warn": 30, "error": 40, "fatal": 50}


class DdsBus:
    """One node on a ROS 2 graph, as :class:`personaplex_ros.node.hosts.bus.Bus` describes it.

    ``name`` and ``namespace`` are defaults that the arguments' remapping rules may replace.
    The environment's ROS_DOMAIN_ID, ROS_AUTOMATIC_DISCOVERY_RANGE, ROS_LOCALHOST_ONLY,
    ROS_STATIC_PEERS, ROS_DISTRO and CYCLONEDDS_URI are obeyed. ValueError for a bad name or
    variable.
    """

    def __init__(
        self, name: str, namespace: str = "/", arguments: RosArguments | None = None
    ) -> None:
        arguments = arguments or RosArguments()
        self._rules = arguments.remaps
        self.node = remap_node(NodeName(name, namespace), self._rules)
        self._level = _LEVELS[self.node.log_level(arguments.log_levels)]
        self.types = MessageTypes(standard_types(os.environ))
        settings = domain_settings(os.environ, os.getpid())
        participant = Participant(self.node, arguments.enclave, settings, self.types)
        self._participant = participant
        self._executor = Executor(participant.entity, self.log)
        self._service_executor = Executor(participant.entity, self.log)
        self._slow_service_executors: list[Executor] = []
        self._action_executor = Executor(participant.entity, self.log)
        self.endpoints = Endpoints(
            participant, self.types, self._executor, self._action_executor, self.log
        )
        self._closed = False
        self._service_executor.add("the graph", participant.info_reader, participant.take_info)
        self._mismatches = Mismatches(participant, self._service_executor, self.log)

    @property
    def node_name(self) -> str:
        """Return the node's full name after remapping."""
        return self.node.full

    def topic_name(self, topic: str) -> str:
        """Return a topic's full name after remapping."""
        return self.resolve(topic, "topic")

    def namesakes(self) -> int:
        """Return how many other nodes of this full name the graph has."""
        return self._participant.namesakes()

    def resolve(self, name: str, kind: Kind) -> str:
        """Return the absolute name of a topic or service after remapping."""
        return resolve(name, kind, self.node, self._rules)

    def now_ns(self) -> int:
        """Return the wall clock's time, nanoseconds since the epoch."""
        return time.time_ns()

    def message(self, type_name: str) -> type[Any]:
        """Return a class, with Request and Response for a service, Goal ... for an action."""
        return self.types.named(type_name)

    def advertise(self, topic: str, type_name: str, qos: Qos) -> DdsPublisher:
        """Open a topic for sending."""
        name = self.resolve(topic, "topic")
        return self.endpoints.publisher(name, self.types.message(type_name), qos)

    def subscribe(
        self, topic: str, type_name: str, qos: Qos, callback: Callable[[Any, str], None]
    ) -> DdsSubscription:
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
    ) -> DdsService:
        """Answer requests with ``handler(request, response) -> response``.

        Handlers run one at a time on a thread of their own, beside topics and timers; each
        slow service has another one, which ends with the bus.
        """
        types = self.types.service(type_name)
        name = self.resolve(name, "service")
        safe = answering(handler, name, self.log)

        def answer(request: Any, respond: Respond) -> None:
            respond(safe(request, types.Response()))

        executor = self._service_executor
        if slow:
            executor = Executor(self._participant.entity, self.log)
            self._slow_service_executors.append(executor)
        return DdsService(self._participant, executor, name, types, answer)

    def serve_action(
        self, name: str, type_name: str, begin: Callable[[Goal], None], check: Check = accept_all
    ) -> DdsActionServer:
        """Call ``begin(goal)`` for each goal that passes, on a thread of actions alone."""
        name = self.resolve(name, "service")
        return DdsActionServer(
            self.endpoints, name, type_name, begin, accepting(check, name, self.log)
        )

    def action_client(self, name: str, type_name: str) -> DdsActionClient:
        """Open the calling end of an action; answers come on the thread of topics and timers."""
        return DdsActionClient(self.endpoints, self.resolve(name, "service"), type_name)

    def client(self, name: str, type_name: str) -> DdsClient:
        """Open the calling end of a service; replies come on the thread of topics and timers."""
        return self.endpoints.client(self.resolve(name, "service"), self.types.service(type_name))

    def every(self, period_s: float, callback: Callable[[], None]) -> Timer:
        """Call ``callback()`` at a fixed rate on the executor's thread."""
        return self._executor.every(period_s, callback)

    def log(self, level: LogLevel, text: str) -> None:
        """Write one line to stderr in the format of ROS 2's console."""
        if _LEVELS[level] >= self._level:
            seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
            stamp = f"{seconds}.{nanoseconds:09d}"
            print(f"[{level.upper()}] [{stamp}] [{self.node.logger}]: {text}", file=sys.stderr)

    def close(self) -> None:
        """Stop the executor and take the node out of the graph at once."""
        if not self._closed:
            self._closed = True
            self._executor.close()
            self._service_executor.close()
            for executor in self._slow_service_executors:
                executor.close()
            self._action_executor.close()
            self._mismatches.close()
            self._participant.close()
