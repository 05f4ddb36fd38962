"""The classes of ROS messages, services and actions, made at run time from their definitions.

Definitions come from the package's own msg/, srv/ and action/ files, from rosbags' store of ROS
2's standard messages, and, for packages that others own, from msg/external/<owner>/<package>/.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from rosbags.typesys import Stores, get_typestore
from rosbags.typesys.store import Typestore

from personaplex_ros.node.bare.definitions import Definitions
from personaplex_ros.resources import PACKAGE, share_directory

EXTERNAL_OWNERS = ("ros2", "ros_drivers", "mgonzs13", "foxglove", "ros_controls", "ros4hri")
"""Folders of msg/external/, in the order in which they are asked for a type."""


def is_humble(environment: Mapping[str, str]) -> bool:
    """Tell whether the graph is of the one release whose messages differ from the later ones'."""
    return environment.get("ROS_DISTRO") == "humble"


def standard_types(environment: Mapping[str, str]) -> Stores:
    """Return the release of ROS 2 whose messages to speak; its graph's gids differ by release."""
    return Stores.ROS2_HUMBLE if is_humble(environment) else Stores.ROS2_JAZZY


@dataclass(frozen=True)
class ServiceTypes:
    """A service's name ("package/srv/Name"), its hash, and its message classes."""

    name: str
    type_hash: str
    Request: type[Any]
    Response: type[Any]


@dataclass(frozen=True)
class ActionTypes:
    """An action's message classes, and the services and the feedback message that carry them."""

    Goal: type[Any]
    Result: type[Any]
    Feedback: type[Any]
    feedback_message: type[Any]
    send_goal: ServiceTypes
    get_result: ServiceTypes


class MessageTypes:
    """Makes message and service classes by name and keeps those it has made.

    `definitions` makes the classes, which a middleware may want to be of a kind of its own.
    """

    def __init__(
        self,
        standard: Stores = Stores.ROS2_JAZZY,
        definitions: Callable[[Typestore], Definitions] = Definitions,
    ) -> None:
        self._lock = threading.Lock()
        self._new = lambda: definitions(get_typestore(standard))
        self._share = share_directory()
        self._own = self._new()
        for path in sorted((self._share / "msg").glob("*.msg")):
            self._own.read_message(PACKAGE, path)
        for path in sorted((self._share / "srv").glob("*.srv")):
            self._own.read_service(PACKAGE, path)
        for path in sorted((self._share / "action").glob("*.action")):
            self._own.read_action(PACKAGE, path)
        self._external: dict[str, Definitions] = {}

    def message(self, type_name: str) -> type[Any]:
        """Return the class of "package/msg/Name".

        Raises LookupError naming the type and where its definition belongs.
        """
        with self._lock:
            return self._definitions(type_name, "msg").message_class(type_name)

    def named(self, type_name: str) -> type[Any]:
        """Return the class of a message, or one that holds those of a service or an action."""
        if "/srv/" in type_name:
            service = self.service(type_name)
            members = {"Request": service.Request, "Response": service.Response}
        elif "/action/" in type_name:
            action = self.action(type_name)
            members = {"Goal": action.Goal, "Result": action.Result, "Feedback": action.Feedback}
        else:
            return self.message(type_name)
        return type(type_name.rpartition("/")[2], (SimpleNamespace,), members)

    def service(self, type_name: str) -> ServiceTypes:
        """Return the classes of "package/srv/Name"; LookupError as :meth:`message`."""
        with self._lock:
            return _service(self._definitions(type_name, "srv"), type_name)

    def action(self, type_name: str) -> ActionTypes:
        """Return the classes of "package/action/Name"; LookupError as :meth:`message`."""
        with self._lock:
            definitions = self._definitions(type_name, "action")
            goal, result, feedback, feedback_message = (
                definitions.message_class(f"{type_name}_{part}")
                for part in ("Goal", "Result", "Feedback", "FeedbackMessage")
            )
            return ActionTypes(
                goal,
                result,
                feedback,
                feedback_message,
                _service(definitions, f"{type_name}_SendGoal"),
                _service(definitions, f"{type_name}_GetResult"),
            )

    def _definitions(self, type_name: str, kind: str) -> Definitions:
        parts = type_name.split("/")
        if len(parts) != 3 or parts[1] != kind:
            raise LookupError(f"{type_name!r} must have the form package/{kind}/Name")
        key = type_name + {"msg": "", "srv": "_Request", "action": "_Goal"}[kind]
        if key in self._own.store.fielddefs:
            return self._own
        for owner in EXTERNAL_OWNERS:
            if (self._share / "msg" / "external" / owner / f"{type_name}.{kind}").is_file():
                return self._external_definitions(owner)
        raise LookupError(
            f"no definition of {type_name} is known; add "
            f"{self._share}/msg/external/<owner>/{type_name}.{kind}"
        )

    def _external_definitions(self, owner: str) -> Definitions:
        if owner not in self._external:
            definitions = self._new()
            folder = self._share / "msg" / "external" / owner
            for path in sorted(folder.glob("*/msg/*.msg")):
                definitions.read_message(path.parts[-3], path)
            for path in sorted(folder.glob("*/srv/*.srv")):
                definitions.read_service(path.parts[-3], path)
            self._external[owner] = definitions
        return self._external[owner]


def _service(definitions: Definitions, name: str) -> ServiceTypes:
    parts = ("Request", "Response")
    classes = [definitions.message_class(f"{name}_{part}") for part in parts]
    return ServiceTypes(name, definitions.service_hash(name), *classes)
