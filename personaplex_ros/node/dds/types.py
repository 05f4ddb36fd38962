"""Classes for ROS messages and services, made at run time from their definitions.

Definitions come from the package's own msg/ and srv/ files, from rosbags' store of ROS 2's
standard messages, and, for packages that others own, from msg/external/<owner>/<package>/.
Each class is a cyclonedds ``IdlStruct`` (final, XCDR1, named as ROS 2 names DDS types), whose
fields carry their ROS names and whose constants are class attributes.
"""

from __future__ import annotations

import dataclasses
import re
import threading
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from cyclonedds.idl import IdlStruct
from cyclonedds.idl import types as idl
from cyclonedds.idl.annotations import cdrv0
from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.base import normalize_fieldname
from rosbags.typesys.store import Typestore

from personaplex_ros.node.dds.codec import Codec, deserialize, serialize
from personaplex_ros.resources import PACKAGE, share_directory

EXTERNAL_OWNERS = ("ros2", "ros_drivers", "mgonzs13", "foxglove", "ros_controls", "ros4hri")
"""Folders of msg/external/, in the order in which they are asked for a type."""

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
_DEFAULTS: dict[str, Any] = {"bool": False, "float32": 0.0, "float64": 0.0, "string": ""}
_SERVICE_HEADER: list[Any] = [
    ("rmw_client_id", (Nodetype.BASE, ("uint64", 0))),
    ("rmw_sequence_number", (Nodetype.BASE, ("int64", 0))),
]
_EMPTY: list[Any] = [("structure_needs_at_least_one_member", (Nodetype.BASE, ("uint8", 0)))]


def standard_types(environment: Mapping[str, str]) -> Stores:
    """Return the release of ROS 2 whose messages to speak; its graph's gids differ by release."""
    return Stores.ROS2_HUMBLE if environment.get("ROS_DISTRO") == "humble" else Stores.ROS2_JAZZY


@dataclass(frozen=True)
class ServiceTypes:
    """A service's message classes; the wire classes begin with the requests' header."""

    Request: type[Any]
    Response: type[Any]
    request_wire: type[Any]
    response_wire: type[Any]


class MessageTypes:
    """Makes message and service classes by name and keeps those it has made."""

    def __init__(self, standard: Stores = Stores.ROS2_JAZZY) -> None:
        self._lock = threading.Lock()
        self._standard = standard
        self._share = share_directory()
        self._own = _Definitions(get_typestore(standard))
        for path in sorted((self._share / "msg").glob("*.msg")):
            self._own.read_message(PACKAGE, path)
        for path in sorted((self._share / "srv").glob("*.srv")):
            self._own.read_service(PACKAGE, path)
        self._external: dict[str, _Definitions] = {}

    def message(self, type_name: str) -> type[Any]:
        """Return the class of "package/msg/Name".

        Raises LookupError naming the type and where its definition belongs.
        """
        with self._lock:
            return self._definitions(type_name, "msg").message_class(type_name)

    def service(self, type_name: str) -> ServiceTypes:
        """Return the classes of "package/srv/Name"; LookupError as :meth:`message`."""
        parts = ("Request", "Response", "Request_wire", "Response_wire")
        with self._lock:
            definitions = self._definitions(type_name, "srv")
            return ServiceTypes(
                *(definitions.message_class(f"{type_name}_{part}") for part in parts)
            )

    def _definitions(self, type_name: str, kind: str) -> _Definitions:
        parts = type_name.split("/")
        if len(parts) != 3 or parts[1] != kind:
            raise LookupError(f"{type_name!r} must have the form package/{kind}/Name")
        key = type_name if kind == "msg" else f"{type_name}_Request"
        if key in self._own.store.fielddefs:
            return self._own
        for owner in EXTERNAL_OWNERS:
            if (self._share / "msg" / "external" / owner / f"{type_name}.{kind}").is_file():
                return self._external_definitions(owner)
        raise LookupError(
            f"no definition of {type_name} is known; add "
            f"{self._share}/msg/external/<owner>/{type_name}.{kind}"
        )

    def _external_definitions(self, owner: str) -> _Definitions:
        if owner not in self._external:
            definitions = _Definitions(get_typestore(self._standard))
            folder = self._share / "msg" / "external" / owner
            for path in sorted(folder.glob("*/msg/*.msg")):
                definitions.read_message(path.parts[-3], path)
            for path in sorted(folder.glob("*/srv/*.srv")):
                definitions.read_service(path.parts[-3], path)
            self._external[owner] = definitions
        return self._external[owner]


class _Definitions:
    """One store of definitions, in which a type name has one meaning, and its classes."""

    def __init__(self, store: Typestore) -> None:
        self.store = store
        self._classes: dict[str, type[Any]] = {}

    def read_message(self, package: str, path: Path) -> None:
        self._register(f"{package}/msg/{path.stem}", path.read_text(encoding="utf-8"), package)

    def read_service(self, package: str, path: Path) -> None:
        lines = path.read_text(encoding="utf-8").splitlines()
        if lines.count("---") != 1:
            raise ValueError(f"{path}: a service definition has exactly one line ---")
        middle = lines.index("---")
        for part, body in (("Request", lines[:middle]), ("Response", lines[middle + 1 :])):
            name = f"{package}/srv/{path.stem}_{part}"
            self._register(name, "\n".join(body), package)
            fields = self.store.fielddefs[name][1]
            self.store.fielddefs[f"{name}_wire"] = ([], _SERVICE_HEADER + fields)

    def _register(self, name: str, text: str, package: str) -> None:
        # Comments end at any #, also after a string constant, as in rosidl's parser.
        text = re.sub(r"[ \t]*(#.*)?$", "", text, flags=re.MULTILINE) + "\n"
        # Parsed under a message's name, so that types without a package are found beside it.
        parsed = get_types_from_msg(text, f"{package}/msg/{name.rpartition('/')[2]}")
        ((constants, fields),) = parsed.values()
        self.store.fielddefs[name] = (constants, fields or _EMPTY)

    def message_class(self, name: str) -> type[Any]:
        if name not in self._classes:
            self._classes[name] = self._make_class(name)
            self.store.types[name] = self._classes[name]
        return self._classes[name]

    def _make_class(self, name: str) -> type[Any]:
        constants, fields = self.store.fielddefs[name]
        fields = [(field, _char_as_uint8(desc)) for field, desc in fields]
        self.store.fielddefs[name] = (constants, fields)
        fields = [(normalize_fieldname(field), desc) for field, desc in fields]
        package, kind, short = name.removesuffix("_wire").split("/")

        def body(namespace: dict[str, Any]) -> None:
            # Not inherited: peers compare type descriptions, where a base class would show.
            namespace["serialize"] = serialize
            namespace["deserialize"] = classmethod(deserialize)
            for field, desc in fields:
                namespace["__annotations__"][field] = self._idl_type(desc)
                namespace[field] = dataclasses.field(default_factory=self._default(desc))

        made = types.new_class(
            short, (IdlStruct,), {"typename": f"{package}::{kind}::dds_::{short}_"}, body
        )
        message: Any = cdrv0(dataclass(eq=False)(made))
        for constant, _, value in constants:
            setattr(message, constant, value)
        message.codec = self._codec(name, fields)
        message.type_hash = self.store.hash_rihs01(name.removesuffix("_wire"))
        return message

    def _codec(self, name: str, fields: list[Any]) -> Codec:
        arrays, nested, nested_lists = [], [], []
        for field, desc in fields:
            if desc[0] == Nodetype.NAME:
                nested.append(field)
            elif desc[0] in (Nodetype.ARRAY, Nodetype.SEQUENCE):
                element = desc[1][0]
                if element[0] == Nodetype.NAME:
                    nested_lists.append(field)
                elif element[1][0] != "string":
                    arrays.append((field, _dtype(element[1][0])))
        return Codec(self.store, name, tuple(arrays), tuple(nested), tuple(nested_lists))

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

    def _default(self, desc: Any) -> Callable[[], Any]:
        node, detail = desc
        if node == Nodetype.NAME:
            return self.message_class(detail)
        if node == Nodetype.BASE:
            value = _DEFAULTS.get(detail[0], 0)
            return lambda: value
        element, size = detail
        count = size if node == Nodetype.ARRAY else 0
        if element[0] == Nodetype.BASE and element[1][0] != "string":
            dtype = _dtype(element[1][0])
            return lambda: np.zeros(count, dtype)
        make = self._default(element)
        return lambda: [make() for _ in range(count)]


def _dtype(name: str) -> np.dtype[Any]:
    return np.dtype("int8" if name == "byte" else name)


def _char_as_uint8(desc: Any) -> Any:
    """Return a field's description in ROS 2's terms, where char has been uint8 since Dashing."""
    node, detail = desc
    if node == Nodetype.BASE:
        return (node, ("uint8", detail[1])) if detail[0] == "char" else desc
    if node == Nodetype.NAME:
        return desc
    return (node, (_char_as_uint8(detail[0]), detail[1]))
