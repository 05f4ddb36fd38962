"""The node's parameter table as rclpy parameters."""

from __future__ import annotations

from collections.abc import Iterable

from rclpy.node import Node
from rclpy.parameter import Parameter

from personaplex_ros.node.hosts.bus import Bus
from personaplex_ros.node.parameters.descriptors import describe
from personaplex_ros.node.parameters.table import PARAMETERS, Parameters

_FLOATS = {parameter.name for parameter in PARAMETERS if parameter.type is float}


def declare(node: Node, bus: Bus, parameters: Parameters) -> None:
    """Declare every parameter on `node` with the value that it starts with."""
    for parameter in PARAMETERS:
        node.declare_parameter(
            parameter.name,
            parameters.value(parameter),
            describe(parameter, bus),
            ignore_override=True,
        )


def with_floats(parameters: Iterable[Parameter]) -> list[Parameter]:
    """Return the parameters with integers as floating-point numbers where those are meant."""
    return [
        Parameter(p.name, value=float(p.value))
        if p.name in _FLOATS and p.type_ is Parameter.Type.INTEGER
        else p
        for p in parameters
    ]
