"""The node's parameter table as rclpy parameters."""

from __future__ import annotations

from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node

from personaplex_ros.node.parameter import Parameter, ParameterError, When
from personaplex_ros.node.parameters import PARAMETERS, Parameters


def descriptor(parameter: Parameter) -> ParameterDescriptor:
    """Return what `ros2 param describe` shows of a parameter."""
    result = ParameterDescriptor(
        description=parameter.description,
        additional_constraints=parameter.constraints,
        read_only=parameter.when is When.STARTUP,
    )
    if parameter.minimum is None or parameter.maximum is None:
        return result
    if parameter.type is float:
        result.floating_point_range = [
            FloatingPointRange(from_value=parameter.minimum, to_value=parameter.maximum)
        ]
    else:
        result.integer_range = [
            IntegerRange(from_value=int(parameter.minimum), to_value=int(parameter.maximum), step=1)
        ]
    return result


def declare(node: Node) -> Parameters:
    """Declare every parameter on `node` and return the values from files and arguments.

    Raises ParameterError naming the parameters that cannot be used.
    """
    values: dict[str, Any] = {}
    problems: list[str] = []
    for parameter in PARAMETERS:
        try:
            declared = node.declare_parameter(
                parameter.name, parameter.default, descriptor(parameter)
            )
            values[parameter.name] = declared.value
        except (InvalidParameterTypeException, InvalidParameterValueException) as error:
            problems.append(str(error))
    if problems:
        raise ParameterError("; ".join(problems))
    return Parameters.of(values)
