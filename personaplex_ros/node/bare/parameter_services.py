"""The services by which `ros2 param` reads and sets a node's parameters (rcl_interfaces)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from personaplex_ros.node.hosts.bus import Bus, Qos
from personaplex_ros.node.hosts.messages import set_time
from personaplex_ros.node.parameters.definition import Parameter, ParameterError, Value
from personaplex_ros.node.parameters.descriptors import describe
from personaplex_ros.node.parameters.table import PARAMETERS

NOT_SET = 0
PARAMETER_EVENTS = Qos(reliable=True, transient_local=False, depth=1000)
"""As every node's, by rmw's profile for them."""
# rcl_interfaces/ParameterType, and the field of ParameterValue that holds such a value.
TYPES: dict[type, tuple[int, str]] = {
    bool: (1, "bool_value"),
    int: (2, "integer_value"),
    float: (3, "double_value"),
    str: (4, "string_value"),
}


class Owner(Protocol):
    """Who has the values, as `Conversation` does."""

    @property
    def parameters(self) -> Any:
        """The present values, which `as_dict` tells by name."""

    def set_parameters(self, values: Mapping[str, Any]) -> None:
        """Change values; raises ParameterError, and then changes none."""

    def follow_parameters(self, observer: Callable[[Mapping[str, Value]], None]) -> None:
        """Call `observer` with what the owner changes by itself."""


class ParameterServices:
    """Serves a parameter table and its owner's present values."""

    def __init__(self, bus: Bus, owner: Owner, table: Sequence[Parameter] = PARAMETERS) -> None:
        self._bus = bus
        self._owner = owner
        self._table = {parameter.name: parameter for parameter in table}
        self._value = bus.message("rcl_interfaces/msg/ParameterValue")
        self._result = bus.message("rcl_interfaces/msg/SetParametersResult")
        handlers: dict[str, Callable[[Any, Any], Any]] = {
            "ListParameters": self._on_list,
            "GetParameters": self._on_get,
            "GetParameterTypes": self._on_types,
            "DescribeParameters": self._on_describe,
            "SetParameters": self._on_set,
            "SetParametersAtomically": self._on_set_atomically,
        }
        for name, handler in handlers.items():
            snake = "".join(f"_{c.lower()}" if c.isupper() else c for c in name)
            bus.serve(f"~/{snake.lstrip('_')}", f"rcl_interfaces/srv/{name}", handler)
        self._parameter = bus.message("rcl_interfaces/msg/Parameter")
        self._event = bus.message("rcl_interfaces/msg/ParameterEvent")
        self._events = bus.advertise(
            "/parameter_events", "rcl_interfaces/msg/ParameterEvent", PARAMETER_EVENTS
        )
        owner.follow_parameters(self._announce)

    def _on_list(self, request: Any, response: Any) -> Any:
        # No parameter of ours has a dot in its name: a prefix selects one parameter or none.
        wanted = set(request.prefixes)
        names = [name for name in self._table if not wanted or name in wanted]
        response.result.names = names
        return response

    def _on_get(self, request: Any, response: Any) -> Any:
        values = self._owner.parameters.as_dict()
        response.values = [self._value_of(values.get(name)) for name in request.names]
        return response

    def _on_types(self, request: Any, response: Any) -> Any:
        response.types = bytes(
            TYPES[p.type][0] if p else NOT_SET for p in self._known(request.names)
        )
        return response

    def _on_describe(self, request: Any, response: Any) -> Any:
        response.descriptors = [self._describe(p) for p in self._known(request.names) if p]
        return response

    def _on_set(self, request: Any, response: Any) -> Any:
        response.results = [self._set([parameter]) for parameter in request.parameters]
        return response

    def _on_set_atomically(self, request: Any, response: Any) -> Any:
        response.result = self._set(request.parameters)
        return response

    def _set(self, parameters: Sequence[Any]) -> Any:
        result = self._result()
        try:
            self._owner.set_parameters(
                {parameter.name: _plain(parameter.value) for parameter in parameters}
            )
        except (ParameterError, TimeoutError) as error:
            result.successful, result.reason = False, str(error)
            return result
        result.successful = True
        present = self._owner.parameters.as_dict()
        self._announce({parameter.name: present[parameter.name] for parameter in parameters})
        return result

    def _announce(self, values: Mapping[str, Value]) -> None:
        event = self._event()
        set_time(event.stamp, self._bus.now_ns())
        event.node = self._bus.node_name
        event.changed_parameters = [
            self._parameter(name=name, value=self._value_of(value))
            for name, value in values.items()
        ]
        self._events.publish(event)

    def _value_of(self, value: Value | None) -> Any:
        message = self._value()
        if value is not None:
            message.type, field = TYPES[type(value)]
            setattr(message, field, value)
        return message

    def _known(self, names: Iterable[str]) -> list[Parameter | None]:
        return [self._table.get(name) for name in names]

    def _describe(self, parameter: Parameter) -> Any:
        message = describe(parameter, self._bus)
        message.name = parameter.name
        message.type = TYPES[parameter.type][0]
        return message


def _plain(value: Any) -> Any:
    """Return what a ParameterValue holds; None for arrays and for no value."""
    fields = dict(TYPES.values())
    return getattr(value, fields[value.type]) if value.type in fields else None
