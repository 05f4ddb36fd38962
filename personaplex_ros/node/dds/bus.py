"""The node's bus over Cyclone DDS: wire-compatible with ROS 2, without ROS on the machine."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from cyclonedds.core import DDSException
from cyclonedds.pub import DataWriter

from personaplex_ros.node.bus import Check, Goal, LogLevel, Qos, Timer, accept_all
from personaplex_ros.node.dds.action import DdsActionClient, DdsActionServer
from personaplex_ros.node.dds.domain import domain_settings
from personaplex_ros.node.dds.executor import Executor, Source
from personaplex_ros.node.dds.participant import Participant
from personaplex_ros.node.dds.service import DdsClient, DdsService, Respond
from personaplex_ros.node.dds.types import MessageTypes, ServiceTypes, standard_types
from personaplex_ros.node.names import Kind, NodeName, RosArguments, remap_node, resolve
from personaplex_ros.node.serving import accepting, answering

_LEVELS: dict[str, int] = {"debug": 10, "info": 20, "warn": 30, "error": 40, "fatal": 50}


class DdsPublisher:
    """The sending end of a topic; ``dropped`` counts messages that a stuck reader held up."""

    def __init__(self, bus: DdsBus, name: str, writer: DataWriter) -> None:
        self._bus = bus
        self._name = name
        self._writer = writer
        self._lock = threading.Lock()
        self._closed = False
        self.dropped = 0

    def publish(self, msg: Any) -> None:
        """Send one message; nothing happens once closed.

        Raises TypeError for a message of another type, ValueError for one that does not fit it.
        """
        with self._lock:
            if self._closed:
                return
            try:
                self._writer.write(msg)
            except DDSException as error:
                if error.code != DDSException.DDS_RETCODE_TIMEOUT:
                    raise
                self.dropped += 1
                self._bus.log("warn", f"{self._name}: a reader is stuck, {self.dropped} dropped")

    def subscribers(self) -> int:
        """Return how many readers are matched at present."""
        return len(self._writer.get_matched_subscriptions())

    def close(self) -> None:
        """Take the topic's writer out of the graph."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._bus.participant.remove(self._writer)


class DdsSubscription:
    """The receiving end of a topic."""

    def __init__(self, bus: DdsBus, source: Source) -> None:
        self._bus = bus
        self._source = source

    def publishers(self) -> int:
        """Return how many writers are matched at present."""
        return len(self._source.reader.get_matched_publications())

    def close(self) -> None:
        """Take the topic's reader out of the graph; a callback that has begun still ends."""
        self._bus.executor.remove(self._source)
        self._bus.participant.remove(self._source.reader)


class DdsBus:
    """One node on a ROS 2 graph, as :class:`personaplex_ros.node.bus.Bus` describes it.

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
        self.participant = Participant(self.node, arguments.enclave, settings, self.types)
        self.executor = Executor(self.participant.entity, self.log)
        self._service_executor = Executor(self.participant.entity, self.log)
        self._slow_service_executors: list[Executor] = []
        self._action_executor = Executor(self.participant.entity, self.log)
        self._closed = False
        self._service_executor.add(
            "the graph", self.participant.info_reader, self.participant.take_info
        )

    @property
    def node_name(self) -> str:
        """Return the node's full name after remapping."""
        return self.node.full

    def namesakes(self) -> int:
        """Return how many other nodes of this full name the graph has."""
        return self.participant.namesakes()

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
        return self.open_publisher(self.resolve(topic, "topic"), self.types.message(type_name), qos)

    def open_publisher(self, name: str, message: type[Any], qos: Qos) -> DdsPublisher:
        """Open a topic with an absolute name for sending."""
        return DdsPublisher(self, name, self.participant.writer(f"rt{name}", message, qos))

    def subscribe(
        self, topic: str, type_name: str, qos: Qos, callback: Callable[[Any, str], None]
    ) -> DdsSubscription:
        """Call ``callback(msg, publisher_id)`` on the executor's thread for every message.

        Number sequences of ``msg`` are read-only NumPy arrays. The id stays the same as long as
        the publisher lives, and differs when it comes back.
        """
        return self.open_subscription(
            self.resolve(topic, "topic"), self.types.message(type_name), qos, callback
        )

    def open_subscription(
        self, name: str, message: type[Any], qos: Qos, callback: Callable[[Any, str], None]
    ) -> DdsSubscription:
        """Receive from a topic with an absolute name."""
        reader = self.participant.reader(f"rt{name}", message, qos)

        def deliver(sample: Any) -> None:
            callback(sample, f"{sample.sample_info.publication_handle:016x}")

        return DdsSubscription(self, self.executor.add(name, reader, deliver))

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
            executor = Executor(self.participant.entity, self.log)
            self._slow_service_executors.append(executor)
        return DdsService(self.participant, executor, name, types, answer)

    def open_action_service(
        self, name: str, types: ServiceTypes, handler: Callable[[Any, Respond], None]
    ) -> DdsService:
        """Answer requests for an absolute name, beside other services: a slow one delays none."""
        return DdsService(self.participant, self._action_executor, name, types, handler)

    def serve_action(
        self, name: str, type_name: str, begin: Callable[[Goal], None], check: Check = accept_all
    ) -> DdsActionServer:
        """Call ``begin(goal)`` for each goal that passes, on a thread of actions alone."""
        name = self.resolve(name, "service")
        return DdsActionServer(self, name, type_name, begin, accepting(check, name, self.log))

    def action_client(self, name: str, type_name: str) -> DdsActionClient:
        """Open the calling end of an action; answers come on the thread of topics and timers."""
        return DdsActionClient(self, self.resolve(name, "service"), type_name)

    def client(self, name: str, type_name: str) -> DdsClient:
        """Open the calling end of a service; replies come on the thread of topics and timers."""
        return self.open_client(self.resolve(name, "service"), self.types.service(type_name))

    def open_client(self, name: str, types: ServiceTypes) -> DdsClient:
        """Open the calling end of a service with an absolute name."""
        return DdsClient(self.participant, self.executor, name, types)

    def every(self, period_s: float, callback: Callable[[], None]) -> Timer:
        """Call ``callback()`` at a fixed rate on the executor's thread."""
        return self.executor.every(period_s, callback)

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
            self.executor.close()
            self._service_executor.close()
            for executor in self._slow_service_executors:
                executor.close()
            self._action_executor.close()
            self.participant.close()
