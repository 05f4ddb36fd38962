"""Endpoints of others that have a topic of this node's but do not fit it, told once in the log.

DDS connects only what fits and says nothing of the rest: a microphone of another type, or a
subscriber that asks for more than is offered, would be there and hear nothing. So would a client
of a service of this node's that runs on another vendor's DDS.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from cyclonedds.builtin import (
    BuiltinDataReader,
    BuiltinTopicDcpsPublication,
    BuiltinTopicDcpsSubscription,
)
from cyclonedds.qos import Policy

from personaplex_ros.node.bare.mismatch import READS, WRITES, other_type, told
from personaplex_ros.node.bare.type_names import ros_type
from personaplex_ros.node.dds.executor import DdsExecutor
from personaplex_ros.node.dds.participant import Endpoint, Participant, delete
from personaplex_ros.node.dds.service import speaks_as_we_do
from personaplex_ros.node.hosts.bus import LogLevel
from personaplex_ros.node.hosts.vendors import vendor_name, vendor_of
from personaplex_ros.node.requests.topic_names import topic_in_place

LOOK_S = 1.0
"""How often is looked, and how long DDS may take to connect what fits."""
REMEMBERED = 1000
"""Endpoints of others that are remembered until this node opens their topic."""
_TOPIC, _REQUEST = "rt/", "rq/"


@dataclass(frozen=True)
class _Other:
    """An endpoint of another participant, and when it was found."""

    sample: Any
    writes: bool
    found_at: float


class Mismatches:
    """Looks at what the graph has for this node's topics, beside the executor's other work."""

    def __init__(
        self, participant: Participant, executor: DdsExecutor, log: Callable[[LogLevel, str], None]
    ) -> None:
        self._participant = participant
        self._log = log
        self._others: OrderedDict[Any, _Other] = OrderedDict()
        self._own = participant.entity.guid
        self._told: set[tuple[str, str]] = set()
        self._readers = []
        for builtin, writes in (
            (BuiltinTopicDcpsPublication, True),
            (BuiltinTopicDcpsSubscription, False),
        ):
            reader = BuiltinDataReader(participant.entity, builtin)
            executor.read("the graph", reader, partial(self._take, writes))
            self._readers.append(reader)
        executor.every(LOOK_S, self._look)

    def close(self) -> None:
        """Free the readers; the executor has ended."""
        for reader in self._readers:
            delete(reader)

    def _take(self, writes: bool, sample: Any) -> None:
        if sample.topic_name is None:  # it has gone
            self._others.pop(sample.key, None)
            return
        name = sample.topic_name
        calls = writes and name.startswith(_REQUEST) and not speaks_as_we_do(sample, "clientid")
        if sample.participant_key == self._own or not (calls or name.startswith(_TOPIC)):
            return
        self._others[sample.key] = _Other(sample, writes, time.monotonic())
        if len(self._others) > REMEMBERED:
            self._others.popitem(last=False)

    def _look(self) -> None:
        for key, other in list(self._others.items()):
            if time.monotonic() - other.found_at < LOOK_S:
                continue
            topic = other.sample.topic_name
            ours, connected = self._participant.counterpart(topic, not other.writes, key)
            if ours is not None:  # else it may be opened later
                del self._others[key]
                if topic.startswith(_REQUEST):
                    self._tell_of_client(topic, vendor_name(vendor_of(key.bytes)))
                elif not connected:
                    self._log("warn", _told(other.sample, other.writes, ours))

    def _tell_of_client(self, topic: str, vendor: str) -> None:
        if (topic, vendor) in self._told:
            return
        self._told.add((topic, vendor))
        name = topic.removeprefix("rq").removesuffix("Request").partition("/_action/")[0]
        instead = topic_in_place(name)
        remedy = f"publish on the topic {instead} in its place, or " if instead else ""
        self._log(
            "warn",
            f"{name} has a client over {vendor}, which gets no answer of this node over Cyclone "
            f"DDS; {remedy}run both on one (RMW_IMPLEMENTATION)",
        )


def _told(sample: Any, writes: bool, ours: Endpoint) -> str:
    does, ours_does = (WRITES, READS) if writes else (READS, WRITES)
    theirs = ros_type(sample.type_name)
    if theirs != ours.type_name:
        why = other_type(theirs, ours.type_name, ours_does)
    elif not writes and not ours.transient_local and _asks_for_the_past(sample.qos):
        why = "with QoS transient local, by this node published as volatile; ask for volatile"
    else:
        why = f"as another version of {theirs}, or with another QoS; build both from one source"
    return told(sample.topic_name.removeprefix("rt"), does, why)


def _asks_for_the_past(qos: Any) -> bool:
    durability = qos[Policy.Durability] if Policy.Durability in qos else None
    return durability not in (None, Policy.Durability.Volatile)
