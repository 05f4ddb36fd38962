"""The ROS graph as liveliness tokens tell it, and this node's own part of it."""

from __future__ import annotations

import itertools
import threading
from collections import defaultdict
from typing import Any

import zenoh
from zenoh.handlers import Callback

from personaplex_ros.node.bare.executor import Log
from personaplex_ros.node.bare.mismatch import READS, WRITES, other_type, told
from personaplex_ros.node.bare.type_names import ros_type
from personaplex_ros.node.hosts.names import NodeName
from personaplex_ros.node.hosts.serving import one_line
from personaplex_ros.node.zenoh.wire import (
    ADMIN_SPACE,
    COUNTERPART,
    Entity,
    Kind,
    Subject,
    entity_of,
)

REMEMBERED = 20_000
"""Entities of others that are remembered; a graph of a hundred nodes has some thousands."""
_DOES: dict[Kind, str] = {"MP": WRITES, "MS": READS, "SS": "served", "SC": "called"}


class Graph:
    """Thread-safe. `session` is closed by whoever opened it."""

    def __init__(
        self, session: zenoh.Session, domain: int, node: NodeName, enclave: str, log: Log
    ) -> None:
        self.domain = domain
        self.session = session
        self._zid = str(session.info.zid())
        self._node, self._enclave = node, enclave
        self._log = log
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._entities: dict[str, Entity] = {}
        self._named: dict[tuple[Kind, str], dict[str, Entity]] = defaultdict(dict)
        # A token ends with the object that stands for it.
        self._tokens: dict[str, zenoh.LivelinessToken] = {}
        self._node_id = str(next(self._numbers))
        self._liveliness = session.liveliness()
        self._declare(self._entity("NN", self._node_id, None))
        self._subscriber = self._liveliness.declare_subscriber(
            f"{ADMIN_SPACE}/{domain}/**", Callback(self._on_token, indirect=False), history=True
        )

    def declare(self, kind: Kind, subject: Subject) -> str:
        """Tell the graph of an end of a topic or service, which must be open by now.

        Returns its token, which `undeclare` takes.
        """
        return self._declare(self._entity(kind, str(next(self._numbers)), subject))

    def undeclare(self, token: str) -> None:
        """Tell the graph that it is gone."""
        self._remove(token)
        with self._lock:
            declared = self._tokens.pop(token, None)
        if declared is not None:
            declared.undeclare()

    def close(self) -> None:
        """Tell the graph that all is gone, and listen no more.

        A session that is closed says so itself, but not to a peer that is about to connect to it.
        """
        for token in list(self._tokens):
            self.undeclare(token)
        self._subscriber.undeclare()

    def count(self, kind: Kind, subject: Subject) -> int:
        """Return how many ends of a kind meet those of a topic's or service's key."""
        key = subject.key(self.domain)
        with self._lock:
            ends = self._named.get((kind, subject.name), {}).values()
            return sum(
                end.subject is not None and end.subject.key(self.domain) == key for end in ends
            )

    def namesakes(self) -> int:
        """Return how many nodes of this node's full name other sessions have."""
        with self._lock:
            nodes = self._named.get(("NN", self._node.full), {}).values()
            return sum(node.session != self._zid for node in nodes)

    def _entity(self, kind: Kind, number: str, subject: Subject | None) -> Entity:
        node = self._node
        return Entity(
            self.domain, self._zid, self._node_id, number, kind, self._enclave, node.namespace,
            node.name, subject,
        )  # fmt: skip

    def _declare(self, entity: Entity) -> str:
        token = entity.token()
        declared = self._liveliness.declare_token(token)
        with self._lock:
            self._tokens[token] = declared
        self._add(token, entity)
        return token

    def _on_token(self, sample: Any) -> None:
        token = str(sample.key_expr)
        if sample.kind == zenoh.SampleKind.DELETE:
            self._remove(token)
        elif (entity := entity_of(token)) is not None and entity.session != self._zid:
            self._add(token, entity)

    def _add(self, token: str, entity: Entity) -> None:
        with self._lock:
            if token in self._entities or len(self._entities) >= REMEMBERED:
                return
            self._entities[token] = entity
            self._named[entity.kind, entity.name][token] = entity
            lines = set(self._mismatches(entity))
        for line in lines:
            self._log("warn", one_line(line))

    def _remove(self, token: str) -> None:
        with self._lock:
            entity = self._entities.pop(token, None)
            if entity is not None:
                named = self._named[entity.kind, entity.name]
                del named[token]
                if not named:
                    del self._named[entity.kind, entity.name]

    def _mismatches(self, new: Entity) -> list[str]:
        """Say which ends of this node's and of others have one name and do not meet."""
        if new.subject is None:
            return []
        key = new.subject.key(self.domain)
        found = []
        for other in self._named.get((COUNTERPART[new.kind], new.name), {}).values():
            ours = [entity for entity in (new, other) if entity.session == self._zid]
            if len(ours) == 1 and other.subject and other.subject.key(self.domain) != key:
                found.append(_told(new if ours == [other] else other, ours[0]))
        return found


def _told(theirs: Entity, ours: Entity) -> str:
    assert theirs.subject is not None and ours.subject is not None
    their_type, our_type = ros_type(theirs.subject.type), ros_type(ours.subject.type)
    if their_type != our_type:
        why = other_type(their_type, our_type, _DOES[ours.kind])
    else:
        why = (
            f"as another version of {their_type} by {theirs.node}; build both from one source, for "
            "one release of ROS 2"
        )
    return told(theirs.subject.name, _DOES[theirs.kind], why)
