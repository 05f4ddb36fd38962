"""Topics, services and clients with absolute names in one Zenoh session."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import zenoh
import zenoh.ext
from zenoh.handlers import Callback

from personaplex_ros.node.bare.endpoints import Handler
from personaplex_ros.node.bare.executor import Executors, Log, Threads
from personaplex_ros.node.bare.type_names import dds_type
from personaplex_ros.node.bare.types import MessageTypes, ServiceTypes
from personaplex_ros.node.hosts.bus import RELIABLE, Qos
from personaplex_ros.node.zenoh.executor import QueueSource, ZenohExecutor
from personaplex_ros.node.zenoh.graph import Graph
from personaplex_ros.node.zenoh.service import ZenohClient, ZenohService
from personaplex_ros.node.zenoh.wire import NO_HASH, Attachment, Subject, gid_of, qos_text

HEARTBEAT_S = 0.5
"""How soon a latched topic's subscribers learn that they have missed its last message."""


class ZenohPublisher:
    """The sending end of a topic."""

    def __init__(
        self,
        graph: Graph,
        subject: Subject,
        message: type[Any],
        qos: Qos,
    ) -> None:
        self._graph, self._subject, self._message = graph, subject, message
        self._lock = threading.Lock()
        self._sequence_number = 0
        self._closed = False
        self._publisher = _publisher(graph.session, subject.key(graph.domain), qos)
        self._token = graph.declare("MP", subject)
        self._gid = gid_of(self._token)

    def publish(self, msg: Any) -> None:
        """Send one message; nothing happens once closed.

        Raises TypeError for a message of another type, ValueError for one that does not fit it.
        """
        if type(msg) is not self._message:
            wanted = self._message.__name__
            raise TypeError(f"{self._subject.name} takes {wanted}, not {type(msg).__name__}")
        data = msg.codec.encode(msg)
        with self._lock:
            if self._closed or self._graph.session.is_closed():
                return
            self._sequence_number += 1
            attachment = Attachment(self._sequence_number, time.time_ns(), self._gid)
            self._publisher.put(data, attachment=attachment.to_bytes())

    def subscribers(self) -> int:
        """Return how many subscriptions the graph has for it now."""
        return self._graph.count("MS", self._subject)

    def close(self) -> None:
        """Take the publisher out of the graph."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._graph.undeclare(self._token)
                self._publisher.undeclare()


class ZenohSubscription:
    """The receiving end of a topic."""

    def __init__(
        self,
        graph: Graph,
        executor: ZenohExecutor,
        subject: Subject,
        qos: Qos,
        deliver: Callable[[Any], None],
    ) -> None:
        self._graph, self._executor, self._subject = graph, executor, subject
        self._source: QueueSource = executor.queue(subject.name, qos.depth, deliver)
        key, handler = subject.key(graph.domain), Callback(self._source.put, indirect=False)
        self._subscriber = _subscriber(graph.session, key, handler, qos)
        self._token = graph.declare("MS", subject)

    def publishers(self) -> int:
        """Return how many publishers the graph has for it now."""
        return self._graph.count("MP", self._subject)

    def close(self) -> None:
        """Take the subscription out of the graph; a callback that has begun still ends."""
        if not self._source.closed:
            self._executor.remove(self._source)
            self._graph.undeclare(self._token)
            self._subscriber.undeclare()


@dataclass(frozen=True)
class ZenohEndpoints:
    """Opens endpoints by absolute names; see :class:`personaplex_ros.node.bare.endpoints`.

    `hashes` is False for Humble, whose types have none.
    """

    graph: Graph
    types: MessageTypes
    executors: Executors[ZenohExecutor]
    log: Log
    hashes: bool

    def publisher(self, name: str, message: type[Any], qos: Qos) -> ZenohPublisher:
        """Open a topic for sending."""
        subject = self._subject(name, message.codec.type_name, message.type_hash, qos)
        return ZenohPublisher(self.graph, subject, message, qos)

    def subscription(
        self, name: str, message: type[Any], qos: Qos, callback: Callable[[Any, str], None]
    ) -> ZenohSubscription:
        """Call ``callback(msg, publisher_id)`` for every message of a topic."""
        subject = self._subject(name, message.codec.type_name, message.type_hash, qos)

        def deliver(sample: Any) -> None:
            if sample.kind == zenoh.SampleKind.PUT:
                attachment = sample.attachment
                sender = Attachment.of(attachment.to_bytes()).gid.hex() if attachment else ""
                callback(message.codec.decode(sample.payload.to_bytes()), sender)

        executor = self.executors.topics
        return ZenohSubscription(self.graph, executor, subject, qos, deliver)

    def service(
        self, name: str, types: ServiceTypes, handler: Handler, threads: Threads
    ) -> ZenohService:
        """Answer a service."""
        executor, subject = self.executors.of(threads), self._service(name, types)
        return ZenohService(self.graph, executor, subject, types, handler)

    def client(self, name: str, types: ServiceTypes) -> ZenohClient:
        """Open the calling end of a service."""
        executor, subject = self.executors.topics, self._service(name, types)
        return ZenohClient(self.graph, executor, subject, types, self.log)

    def _service(self, name: str, types: ServiceTypes) -> Subject:
        return self._subject(name, types.name, types.type_hash, RELIABLE)

    def _subject(self, name: str, type_name: str, type_hash: str, qos: Qos) -> Subject:
        known = type_hash if self.hashes else NO_HASH
        return Subject(name, dds_type(type_name), known, qos_text(qos))


def _publisher(session: zenoh.Session, key: str, qos: Qos) -> Any:
    reliability = zenoh.Reliability.RELIABLE if qos.reliable else zenoh.Reliability.BEST_EFFORT
    if not qos.transient_local:
        return session.declare_publisher(
            key, congestion_control=zenoh.CongestionControl.DROP, reliability=reliability
        )
    return zenoh.ext.declare_advanced_publisher(
        session,
        key,
        congestion_control=zenoh.CongestionControl.DROP,
        reliability=reliability,
        cache=zenoh.ext.CacheConfig(qos.depth),
        sample_miss_detection=zenoh.ext.MissDetectionConfig(
            heartbeat=None, sporadic_heartbeat=HEARTBEAT_S
        ),
        publisher_detection=True,
    )


def _subscriber(session: zenoh.Session, key: str, handler: Any, qos: Qos) -> Any:
    if not qos.transient_local:
        return session.declare_subscriber(key, handler)
    return zenoh.ext.declare_advanced_subscriber(
        session,
        key,
        handler,
        history=zenoh.ext.HistoryConfig(detect_late_publishers=True, max_samples=qos.depth),
        recovery=zenoh.ext.RecoveryConfig(periodic_queries=None, heartbeat=True),
        subscriber_detection=True,
    )
