"""The node's parameter table as rclpy parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rclpy.node import Node
from rclpy.parameter import Parameter

from personaplex_ros.node.hosts.bus import Bus
from personaplex_ros.node.parameters.definition import Parameter as Definition
from personaplex_ros.node.parameters.definition import Value
from personaplex_ros.node.parameters.descriptors import describe
from personaplex_ros.node.parameters.table import PARAMETERS

_OURS = {parameter.name: parameter for parameter in PARAMETERS}


def declare(
    node: Node, bus: Bus, values: Mapping[str, Value], table: Sequence[Definition] = PARAMETERS
) -> None:
    """Declare every parameter of a table on `node` with the value that it starts with."""
    for parameter in table:
        node.declare_parameter(
            parameter.name,
            values[parameter.name],
            describe(parameter, bus),
            ignore_override=True,
        )


def as_meant(parameters: Iterable[Parameter]) -> list[Parameter]:
    """Return the parameters with the values that are meant: rclpy refuses other types itself."""
    return [
        Parameter(p.name, value=_OURS[p.name].meant(p.value)) if p.name in _OURS else p
        for p in parameters
    ]
