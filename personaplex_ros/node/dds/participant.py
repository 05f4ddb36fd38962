"""A DDS participant that the tools of ROS 2 see as one node.

What makes it a node: its user data, and the latched topic ros_discovery_info that says which of
its readers and writers belong to which node name (rmw_dds_common).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
from cyclonedds.core import Entity
from cyclonedds.core import Qos as DdsQos
from cyclonedds.domain import DomainParticipant
from cyclonedds.pub import DataWriter, Publisher
from cyclonedds.qos import Policy
from cyclonedds.sub import DataReader, Subscriber
from cyclonedds.topic import Topic
from cyclonedds.util import duration

from personaplex_ros.node.bare.codec import RosMessage
from personaplex_ros.node.bare.types import MessageTypes
from personaplex_ros.node.dds.domain import DomainSettings, applied
from personaplex_ros.node.hosts.bus import LATCHED, Qos
from personaplex_ros.node.hosts.names import NodeName

_DISCOVERY_TOPIC = "ros_discovery_info"
_EVERYBODY = Qos(reliable=True, transient_local=True, depth=1000)
_WRITE_TIMEOUT_S = 0.1


def endpoint_qos(qos: Qos, user_data: str) -> DdsQos:
    """Return the DDS policies of a ROS 2 profile, with the endpoint's user data."""
    history = Policy.History.KeepLast(qos.depth)
    policies: list[Any] = [
        history,
        Policy.WriterDataLifecycle(autodispose=False),
        Policy.Userdata(user_data.encode()),
        # Peers that describe their types match by name, as ROS does: field names may differ.
        Policy.TypeConsistency.AllowTypeCoercion(),
    ]
    if qos.reliable:
        policies.append(Policy.Reliability.Reliable(duration(seconds=_WRITE_TIMEOUT_S)))
    else:
        policies.append(Policy.Reliability.BestEffort)
    if qos.transient_local:
        policies.append(Policy.Durability.TransientLocal)
        policies.append(Policy.DurabilityService(0, history, -1, -1, -1))
    else:
        policies.append(Policy.Durability.Volatile)
    return DdsQos(*policies)


@dataclass(frozen=True)
class Endpoint:
    """A reader or writer of this node, of a topic and a type ("std_msgs/msg/Bool")."""

    entity: Any
    is_writer: bool
    topic: str
    type_name: str
    transient_local: bool

    def matched(self) -> set[Any]:
        """Return the keys of the endpoints that it is connected with."""
        entity = self.entity
        if self.is_writer:
            found = map(entity.get_matched_subscription_data, entity.get_matched_subscriptions())
        else:
            found = map(entity.get_matched_publication_data, entity.get_matched_publications())
        return {data.key for data in found if data is not None}


class Participant:
    """One node's entities; thread-safe. Closing it takes the node out of the graph at once."""

    def __init__(
        self, node: NodeName, enclave: str, settings: DomainSettings, types: MessageTypes
    ) -> None:
        self._node = node
        self._types = types
        self._lock = threading.Lock()
        self._endpoints: list[Endpoint] = []
        self._closed = False
        qos = DdsQos(Policy.Userdata(f"enclave={enclave};".encode()))
        with applied(settings.configuration):
            self.entity = DomainParticipant(settings.domain_id, qos)
        self._publisher = Publisher(self.entity)
        self._subscriber = Subscriber(self.entity)
        self._info_class = types.message("rmw_dds_common/msg/ParticipantEntitiesInfo")
        self._info_writer = self._make_writer(_DISCOVERY_TOPIC, self._info_class, LATCHED, "")
        self.info_reader = self._make_reader(_DISCOVERY_TOPIC, self._info_class, _EVERYBODY, "")
        self._others: dict[int, list[tuple[str, str]]] = {}
        self._announce()

    def writer(
        self, topic: str, message: type[RosMessage], qos: Qos, user_data: str = ""
    ) -> DataWriter:
        """Open a writer on a DDS topic ("rt/text") and announce it as the node's."""
        entity = self._make_writer(topic, message, qos, user_data)
        self._add(Endpoint(entity, True, topic, message.codec.type_name, qos.transient_local))
        return entity

    def reader(
        self, topic: str, message: type[RosMessage], qos: Qos, user_data: str = ""
    ) -> DataReader:
        """Open a reader on a DDS topic and announce it as the node's."""
        entity = self._make_reader(topic, message, qos, user_data)
        self._add(Endpoint(entity, False, topic, message.codec.type_name, qos.transient_local))
        return entity

    def take_info(self, info: Any) -> None:
        """Learn from a sample of ``info_reader`` which nodes another participant has."""
        if bytes(info.gid.data) != bytes(self._gid(self.entity).data):
            names = [(n.node_namespace, n.node_name) for n in info.node_entities_info_seq]
            with self._lock:
                self._others[info.sample_info.publication_handle % 2**64] = names

    def namesakes(self) -> int:
        """Return how many nodes of this full name other participants have."""
        with self._lock:
            if self._closed:
                return 0
            # cyclonedds gives the same handle signed here and unsigned with a sample.
            alive = {h % 2**64 for h in self.info_reader.get_matched_publications()}
            self._others = {h: names for h, names in self._others.items() if h in alive}
            own = (self._node.namespace, self._node.name)
            return sum(names.count(own) for names in self._others.values())

    def counterpart(self, topic: str, writers: bool, key: Any) -> tuple[Endpoint | None, bool]:
        """Return one of the node's writers or readers of a DDS topic, None if there is none.

        With it comes whether any of them is connected with another's endpoint of this key.
        """
        with self._lock:
            ours = [e for e in self._endpoints if e.topic == topic and e.is_writer == writers]
            return next(iter(ours), None), any(key in endpoint.matched() for endpoint in ours)

    def remove(self, entity: Entity) -> None:
        """Delete a reader or writer and announce that it is gone."""
        with self._lock:
            if self._closed:
                return
            self._endpoints = [e for e in self._endpoints if e.entity is not entity]
            delete(entity)
            self._announce()

    def close(self) -> None:
        """Announce that no node is left, then delete everything."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._info_writer.write(self._info())
            for endpoint in self._endpoints:
                delete(endpoint.entity)
            self._endpoints = []
            for entity in (
                *(self._info_writer, self.info_reader),
                *(self._publisher, self._subscriber, self.entity),
            ):
                delete(entity)

    def _make_writer(
        self, topic: str, message: type[RosMessage], qos: Qos, user_data: str
    ) -> DataWriter:
        return DataWriter(
            self._publisher, self._topic(topic, message), _qos(message, qos, user_data)
        )

    def _make_reader(
        self, topic: str, message: type[RosMessage], qos: Qos, user_data: str
    ) -> DataReader:
        return DataReader(
            self._subscriber, self._topic(topic, message), _qos(message, qos, user_data)
        )

    def _topic(self, name: str, message: type[RosMessage]) -> Topic:
        return Topic(self.entity, name, message)

    def _add(self, endpoint: Endpoint) -> None:
        with self._lock:
            self._endpoints.append(endpoint)
            self._announce()

    def _announce(self) -> None:
        """Publish the node and its present endpoints; the lock is held."""
        node = self._types.message("rmw_dds_common/msg/NodeEntitiesInfo")()
        node.node_namespace, node.node_name = self._node.namespace, self._node.name
        for endpoint in self._endpoints:
            gids = node.writer_gid_seq if endpoint.is_writer else node.reader_gid_seq
            gids.append(self._gid(endpoint.entity))
        info = self._info()
        info.node_entities_info_seq.append(node)
        self._info_writer.write(info)

    def _info(self) -> Any:
        info = self._info_class()
        info.gid = self._gid(self.entity)
        return info

    def _gid(self, entity: Entity) -> Any:
        gid = self._types.message("rmw_dds_common/msg/Gid")()
        guid = np.frombuffer(entity.guid.bytes, np.uint8)
        gid.data = np.pad(guid, (0, gid.data.size - guid.size))  # 16 bytes; 24 until Humble
        return gid


def delete(entity: Entity) -> None:
    """Delete a DDS entity now; cyclonedds does it when the last reference goes, and only once."""
    entity.__del__()


def _qos(message: type[RosMessage], qos: Qos, user_data: str) -> DdsQos:
    return endpoint_qos(qos, f"{user_data}typehash={message.type_hash};")
