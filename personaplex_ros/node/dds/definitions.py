"""The classes of messages as cyclonedds needs them: `IdlStruct`, named as ROS 2 names DDS types.

They are final and of XCDR1, all that ROS 2 uses. Each request and response has another class in
its attribute `wire`, which begins with the header of rmw_cyclonedds.
"""

from __future__ import annotations

import types
from dataclasses import dataclass
from typing import Any

from cyclonedds.idl import IdlStruct
from cyclonedds.idl import types as idl
from cyclonedds.idl.annotations import cdrv0
from rosbags.interfaces import Nodetype

from personaplex_ros.node.bare.codec import RosMessage
from personaplex_ros.node.bare.definitions import Definitions
from personaplex_ros.node.bare.type_names import dds_type

_IDL_TYPES: dict[str, Any] = {
    "bool": bool,
    "byte": idl.byte,
    "float32": idl.float32,
    "float64": idl.float64,
    "string": str,
    **{f"{sign}int{bits}": getattr(idl, f"{sign}int{bits}")
       for sign in ("", "u") for bits in (8, 16, 32, 64)},
}  # fmt: skip
# Typed as Any: cyclonedds makes them subscriptable in a way that type checkers do not see.
_ARRAY: Any = idl.array
_SEQUENCE: Any = idl.sequence
_BOUNDED_STRING: Any = idl.bounded_str
_SERVICE_HEADER: list[Any] = [
    ("rmw_client_id", (Nodetype.BASE, ("uint64", 0))),
    ("rmw_sequence_number", (Nodetype.BASE, ("int64", 0))),
]
_WIRE = "_wire"


def serialize(
    message: RosMessage,
    buffer: Any = None,
    endianness: Any = None,
    use_version_2: bool | None = None,
) -> bytes:
    """Replace ``IdlStruct.serialize``: XCDR1 in the machine's byte order."""
    return message.codec.encode(message)


def deserialize(
    cls: type[RosMessage], data: bytes, has_header: bool = True, use_version_2: bool | None = None
) -> Any:
    """Replace ``IdlStruct.deserialize``: XCDR1 of either byte order, with its header."""
    return cls.codec.decode(data)


class DdsDefinitions(Definitions):
    """Makes classes that cyclonedds can send."""

    def message_class(self, name: str) -> type[Any]:
        """Return the class of a type that was read, or of its form on the wire."""
        if name.endswith(_WIRE):
            fields = self.store.fielddefs[name.removesuffix(_WIRE)][1]
            self.store.fielddefs.setdefault(name, ([], _SERVICE_HEADER + fields))
        return super().message_class(name)

    def bare_class(self, name: str, fields: list[Any]) -> type[Any]:
        """Return an IdlStruct with the fields."""
        ros_name = name.removesuffix(_WIRE)

        def body(namespace: dict[str, Any]) -> None:
            # Not inherited: peers compare type descriptions, where a base class would show.
            namespace["serialize"] = serialize
            namespace["deserialize"] = classmethod(deserialize)
            if name.endswith(("_Request", "_Response")):
                namespace["wire"] = self.message_class(name + _WIRE)
            for field, desc in fields:
                namespace["__annotations__"][field] = self._idl_type(desc)
                namespace[field] = self.field(desc)

        short = ros_name.rpartition("/")[2]
        made = types.new_class(short, (IdlStruct,), {"typename": dds_type(ros_name)}, body)
        return cdrv0(dataclass(eq=False)(made))

    def type_hash(self, name: str) -> str:
        """Return the hash of the type, also for its form on the wire."""
        return super().type_hash(name.removesuffix(_WIRE))

    def _idl_type(self, desc: Any) -> Any:
        node, detail = desc
        if node == Nodetype.NAME:
            return self.message_class(detail)
        if node == Nodetype.BASE:
            name, bound = detail
            return _BOUNDED_STRING[bound] if name == "string" and bound else _IDL_TYPES[name]
        element, size = self._idl_type(detail[0]), detail[1]
        if node == Nodetype.ARRAY:
            return _ARRAY[element, size]
        return _SEQUENCE[element, size] if size else _SEQUENCE[element]
