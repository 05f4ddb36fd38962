"""The node's parameter table as rclpy parameters."""

from __future__ import annotations

from typing import Any

from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node

from personaplex_ros.node.bus import Bus
from personaplex_ros.node.descriptors import describe
from personaplex_ros.node.parameter import ParameterError
from personaplex_ros.node.parameters import PARAMETERS, Parameters


def declare(node: Node, bus: Bus) -> Parameters:
    """Declare every parameter on `node` and return the values from files and arguments.

    Raises ParameterError naming the parameters that cannot be used.
    """
    values: dict[str, Any] = {}
    problems: list[str] = []
    for parameter in PARAMETERS:
        try:
            declared = node.declare_parameter(
                parameter.name, parameter.default, describe(parameter, bus)
            )
            values[parameter.name] = declared.value
        except (InvalidParameterTypeException, InvalidParameterValueException) as error:
            problems.append(str(error))
    if problems:
        raise ParameterError("; ".join(problems))
    return Parameters.of(values)
