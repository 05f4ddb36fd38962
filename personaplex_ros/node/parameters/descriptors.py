"""What `ros2 param describe` shows of a parameter."""

from __future__ import annotations

from typing import Any

from personaplex_ros.node.hosts.bus import Bus
from personaplex_ros.node.parameters.definition import Parameter, When


def describe(parameter: Parameter, bus: Bus) -> Any:
    """Return a rcl_interfaces/ParameterDescriptor without its name and type."""
    message = bus.message("rcl_interfaces/msg/ParameterDescriptor")()
    message.description = parameter.description
    message.additional_constraints = parameter.constraints
    message.read_only = parameter.when is When.STARTUP
    if parameter.minimum is None or parameter.maximum is None:
        return message
    if parameter.type is float:
        reach = bus.message("rcl_interfaces/msg/FloatingPointRange")()
        reach.from_value, reach.to_value = parameter.minimum, parameter.maximum
        message.floating_point_range = [reach]
    else:
        reach = bus.message("rcl_interfaces/msg/IntegerRange")()
        reach.from_value, reach.to_value = int(parameter.minimum), int(parameter.maximum)
        reach.step = 1
        message.integer_range = [reach]
    return message
