"""rmw_zenoh's names and headers: keys of topics, liveliness tokens, attachments.

As its source has them (ros2/rmw_zenoh: liveliness_utils.cpp, attachment_helpers.cpp, qos.cpp). The
data of a topic or service has the key "<domain>/<name>/<type>/<hash>". Each node, publisher,
subscription, server and client is told to the graph by a liveliness token, in whose parts a slash
is written as a percent sign.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from typing import Literal, cast, get_args

from personaplex_ros.node.bare.codec import Unreadable
from personaplex_ros.node.hosts.bus import Qos

ADMIN_SPACE = "@ros2_lv"
NO_HASH = "TypeHashNotSupported"
"""In place of a type's hash in Humble, which knows none."""

Kind = Literal["NN", "MP", "MS", "SS", "SC"]
"""Node, publisher, subscription, server and client of a service."""
COUNTERPART: dict[Kind, Kind] = {"MP": "MS", "MS": "MP", "SS": "SC", "SC": "SS"}

_HEADER = struct.Struct("<qqB16s")
_GID_SIZE = 16
_DEFAULT_DEPTH = 42


@dataclass(frozen=True)
class Entity:
    """What one token says; `subject` is None for a node."""

    domain: int
    session: str
    node_id: str
    entity_id: str
    kind: Kind
    enclave: str
    namespace: str
    node: str
    subject: Subject | None = None

    @property
    def name(self) -> str:
        """Full name of the topic or service, or of the node."""
        if self.subject is not None:
            return self.subject.name
        return f"{self.namespace.rstrip('/')}/{self.node}"

    def token(self) -> str:
        """Return the key of the liveliness token."""
        parts = [str(self.domain), self.session, self.node_id, self.entity_id, self.kind]
        parts += [_mangled(text) for text in (self.enclave, self.namespace, self.node)]
        if self.subject is not None:
            subject = self.subject
            parts += [_mangled(subject.name), subject.type, subject.hash, subject.qos]
        return "/".join([ADMIN_SPACE, *parts])


@dataclass(frozen=True)
class Subject:
    """A topic or service as one of its ends has it; `type` is "std_msgs::msg::dds_::Bool_"."""

    name: str
    type: str
    hash: str
    qos: str

    def key(self, domain: int) -> str:
        """Return the key under which its data goes; only ends of the same key meet."""
        return f"{domain}/{self.name.strip('/')}/{self.type}/{self.hash}"


def entity_of(token: str) -> Entity | None:
    """Return what a token says; None if it is none of rmw_zenoh's.

    What later releases add at its end is left out.
    """
    space, *parts = token.split("/")
    if space != ADMIN_SPACE or len(parts) < 8 or not parts[0].isdecimal():
        return None
    domain, session, node_id, entity_id, kind, *place = parts
    if kind not in get_args(Kind) or (kind != "NN" and len(place) < 7):
        return None
    enclave, namespace, node = map(_plain, place[:3])
    subject = None
    if kind != "NN":
        subject = Subject(_plain(place[3]), place[4], place[5], place[6])
    return Entity(
        int(domain),
        session,
        node_id,
        entity_id,
        cast(Kind, kind),
        enclave,
        namespace,
        node,
        subject,
    )


def qos_text(qos: Qos) -> str:
    """Return a profile as tokens have it: in rmw's numbers, and empty what is rmw_zenoh's default.

    That is reliable, volatile, the last 42, and durations without an end.
    """
    reliability, durability = "" if qos.reliable else "2", "1" if qos.transient_local else ""
    depth = "" if qos.depth == _DEFAULT_DEPTH else str(qos.depth)
    return f"{reliability}:{durability}:,{depth}:,:,:,,"


def gid_of(token: str) -> bytes:
    """Return 16 bytes that stand for an entity, the same as long as it lives."""
    return hashlib.blake2b(token.encode(), digest_size=_GID_SIZE).digest()


@dataclass(frozen=True)
class Attachment:
    """What goes with a message, a request and a response.

    `sequence_number` counts what a publisher or client has sent; a response repeats it, and the
    client's `gid`. `stamp_ns` is when it was sent.
    """

    sequence_number: int
    stamp_ns: int
    gid: bytes

    def to_bytes(self) -> bytes:
        """Return it as zenoh's serialiser writes it."""
        return _HEADER.pack(self.sequence_number, self.stamp_ns, _GID_SIZE, self.gid)

    @classmethod
    def of(cls, data: bytes) -> Attachment:
        """Read it; Unreadable for anything else."""
        try:
            sequence_number, stamp_ns, size, gid = _HEADER.unpack(data)
        except struct.error as error:
            raise Unreadable(f"an attachment of {len(data)} bytes is not rmw_zenoh's") from error
        if size != _GID_SIZE:
            raise Unreadable(f"an attachment with a gid of {size} bytes is not rmw_zenoh's")
        return cls(sequence_number, stamp_ns, gid)


def _mangled(text: str) -> str:
    return text.replace("/", "%")


def _plain(text: str) -> str:
    return text.replace("%", "/")
