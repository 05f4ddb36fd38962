"""Reads the definitions of messages, services and actions and makes classes of them.

Fields of a class carry their ROS names, its constants are class attributes.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.interfaces import Nodetype
from rosbags.typesys import get_types_from_msg
from rosbags.typesys.base import normalize_fieldname
from rosbags.typesys.store import Typestore

from personaplex_ros.node.bare.codec import Codec
from personaplex_ros.node.hosts.messages import without_comments

_DEFAULTS: dict[str, Any] = {"bool": False, "float32": 0.0, "float64": 0.0, "string": ""}
_EMPTY: list[Any] = [("structure_needs_at_least_one_member", (Nodetype.BASE, ("uint8", 0)))]
_EVENT_INFO = "service_msgs/msg/ServiceEventInfo"
_GOAL_ID: tuple[str, Any] = ("goal_id", (Nodetype.NAME, "unique_identifier_msgs/msg/UUID"))


class Definitions:
    """One store of definitions, in which a type name has one meaning, and its classes."""

    def __init__(self, store: Typestore) -> None:
        self.store = store
        self._classes: dict[str, type[Any]] = {}

    def read_message(self, package: str, path: Path) -> None:
        """Read a .msg file."""
        self._register(f"{package}/msg/{path.stem}", path.read_text(encoding="utf-8"), package)

    def read_service(self, package: str, path: Path) -> None:
        """Read a .srv file; ValueError if it has not two parts."""
        name = f"{package}/srv/{path.stem}"
        request, response = _parts(path, 2)
        self._register(f"{name}_Request", request, package)
        self._register(f"{name}_Response", response, package)

    def read_action(self, package: str, path: Path) -> None:
        """Read an .action file, with the two services and the feedback that it implies.

        They are those of ROS 2's design of actions. ValueError if it has not three parts.
        """
        name = f"{package}/action/{path.stem}"
        for part, body in zip(("Goal", "Result", "Feedback"), _parts(path, 3), strict=True):
            self._register(f"{name}_{part}", body, package)
        goal, result, feedback = (
            (part.lower(), (Nodetype.NAME, f"{name}_{part}"))
            for part in ("Goal", "Result", "Feedback")
        )
        stamp = ("stamp", (Nodetype.NAME, "builtin_interfaces/msg/Time"))
        accepted = ("accepted", (Nodetype.BASE, ("bool", 0)))
        status = ("status", (Nodetype.BASE, ("int8", 0)))
        for part, fields in {
            "SendGoal_Request": [_GOAL_ID, goal],
            "SendGoal_Response": [accepted, stamp],
            "GetResult_Request": [_GOAL_ID],
            "GetResult_Response": [status, result],
            "FeedbackMessage": [_GOAL_ID, feedback],
        }.items():
            self.store.fielddefs[f"{name}_{part}"] = ([], fields)

    def _register(self, name: str, text: str, package: str) -> None:
        # Parsed under a message's name, so that types without a package are found beside it.
        parsed = get_types_from_msg(
            without_comments(text), f"{package}/msg/{name.rpartition('/')[2]}"
        )
        ((constants, fields),) = parsed.values()
        self.store.fielddefs[name] = (constants, fields or _EMPTY)

    def message_class(self, name: str) -> type[Any]:
        """Return the class of a type that was read."""
        if name not in self._classes:
            self._classes[name] = self._make_class(name)
            self.store.types[name] = self._classes[name]
        return self._classes[name]

    def _make_class(self, name: str) -> type[Any]:
        constants, fields = self.store.fielddefs[name]
        fields = [(field, _char_as_uint8(desc)) for field, desc in fields]
        self.store.fielddefs[name] = (constants, fields)
        fields = [(normalize_fieldname(field), desc) for field, desc in fields]
        message: Any = self.bare_class(name, fields)
        for constant, _, value in constants:
            setattr(message, constant, value)
        message.codec = self._codec(name, fields)
        message.type_hash = self.type_hash(name)
        return message

    def bare_class(self, name: str, fields: list[Any]) -> type[Any]:
        """Return the class with its fields alone; a middleware may need a kind of its own."""
        short = name.rpartition("/")[2]
        described = [(field, Any, self.field(desc)) for field, desc in fields]
        return dataclasses.make_dataclass(short, described, eq=False)

    def type_hash(self, name: str) -> str:
        """Return the hash by which peers know the type, "RIHS01_..."."""
        return str(self.store.hash_rihs01(name))

    def service_hash(self, name: str) -> str:
        """Return the hash of a service, of which its request, response and event are parts.

        Empty for Humble, which has no hashes and no such event.
        """
        if _EVENT_INFO not in self.store.fielddefs:
            return ""
        self.message_class(_EVENT_INFO)  # brings its fields into ROS 2's terms
        request, response, event = (
            (Nodetype.NAME, f"{name}_{part}") for part in ("Request", "Response", "Event")
        )
        parts: list[Any] = [
            ("info", (Nodetype.NAME, _EVENT_INFO)),
            ("request", (Nodetype.SEQUENCE, (request, 1))),
            ("response", (Nodetype.SEQUENCE, (response, 1))),
        ]
        self.store.fielddefs[f"{name}_Event"] = ([], parts)
        whole: list[Any] = [
            ("request_message", request),
            ("response_message", response),
            ("event_message", event),
        ]
        self.store.fielddefs[name] = ([], whole)
        return self.type_hash(name)

    def field(self, desc: Any) -> Any:
        """Return a dataclass's field with ROS's default of it."""
        return dataclasses.field(default_factory=self._default(desc))

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


def _parts(path: Path, count: int) -> list[str]:
    parts = re.split(r"^---$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    if len(parts) != count:
        raise ValueError(
            f"{path}: {len(parts)} parts between lines ---; such a definition has {count}"
        )
    return parts


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
