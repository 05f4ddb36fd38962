"""Topics, services and clients with absolute names on one participant, for the bus and actions."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cyclonedds.core import DDSException
from cyclonedds.pub import DataWriter

from personaplex_ros.node.bare.endpoints import Handler
from personaplex_ros.node.bare.executor import Executors, Log, Threads
from personaplex_ros.node.bare.types import MessageTypes, ServiceTypes
from personaplex_ros.node.dds.executor import DdsExecutor, DdsSource
from personaplex_ros.node.dds.participant import Participant
from personaplex_ros.node.dds.service import DdsClient, DdsService
from personaplex_ros.node.hosts.bus import Qos


class DdsPublisher:
    """The sending end of a topic; ``dropped`` counts messages that a stuck reader held up."""

    def __init__(self, participant: Participant, log: Log, name: str, writer: DataWriter) -> None:
        self._participant = participant
        self._log = log
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
                self._log("warn", f"{self._name}: a reader is stuck, {self.dropped} dropped")

    def subscribers(self) -> int:
        """Return how many readers are matched at present."""
        return len(self._writer.get_matched_subscriptions())

    def close(self) -> None:
        """Take the topic's writer out of the graph."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._participant.remove(self._writer)


class DdsSubscription:
    """The receiving end of a topic."""

    def __init__(self, participant: Participant, executor: DdsExecutor, source: DdsSource) -> None:
        self._participant = participant
        self._executor = executor
        self._source = source

    def publishers(self) -> int:
        """Return how many writers are matched at present."""
        return len(self._source.reader.get_matched_publications())

    def close(self) -> None:
        """Take the topic's reader out of the graph; a callback that has begun still ends."""
        self._executor.remove(self._source)
        self._participant.remove(self._source.reader)


@dataclass(frozen=True)
class DdsEndpoints:
    """Opens endpoints by absolute names; see :class:`personaplex_ros.node.bare.endpoints`."""

    participant: Participant
    types: MessageTypes
    executors: Executors[DdsExecutor]
    log: Log

    def publisher(self, name: str, message: type[Any], qos: Qos) -> DdsPublisher:
        """Open a topic for sending."""
        writer = self.participant.writer(f"rt{name}", message, qos)
        return DdsPublisher(self.participant, self.log, name, writer)

    def subscription(
        self, name: str, message: type[Any], qos: Qos, callback: Callable[[Any, str], None]
    ) -> DdsSubscription:
        """Call ``callback(msg, publisher_id)`` for every message of a topic."""
        reader = self.participant.reader(f"rt{name}", message, qos)

        def deliver(sample: Any) -> None:
            callback(sample, f"{sample.sample_info.publication_handle:016x}")

        executor = self.executors.topics
        return DdsSubscription(self.participant, executor, executor.read(name, reader, deliver))

    def service(
        self, name: str, types: ServiceTypes, handler: Handler, threads: Threads
    ) -> DdsService:
        """Answer a service."""
        return DdsService(self.participant, self.executors.of(threads), name, types, handler)

    def client(self, name: str, types: ServiceTypes) -> DdsClient:
        """Open the calling end of a service."""
        return DdsClient(self.participant, self.executors.topics, name, types)
