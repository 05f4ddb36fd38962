"""The nodes of sound cards without ROS."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from personaplex_ros.node.bare.middleware import open_bus
from personaplex_ros.node.bare.parameter_services import ParameterServices
from personaplex_ros.node.devices.kinds import KINDS, refuse_words
from personaplex_ros.node.devices.parameters import FixedParameters
from personaplex_ros.node.hosts.ending import ending_signal
from personaplex_ros.node.hosts.names import parse_ros_arguments
from personaplex_ros.node.parameters.start import USE_SIM_TIME, start_values


def main(name: str, arguments: Sequence[str]) -> int:
    """Run the node `name` until SIGINT or SIGTERM; returns the exit status.

    Raises ValueError for arguments and parameters that cannot be used, AudioDeviceError for a card.
    """
    kind = KINDS[name]
    parsed = parse_ros_arguments(arguments)
    refuse_words(name, parsed.rest)
    ending = ending_signal()
    with ExitStack() as resources:
        bus = open_bus(name, "/", parsed)
        resources.callback(bus.close)
        start = start_values(parsed, bus.node, kind.table)
        if start.of_every_node.get(USE_SIM_TIME):
            raise ValueError(
                f"use_sim_time needs the node under ROS 2: ros2 run personaplex_ros "
                f"personaplex_{name}"
            )
        for level, text in start.remarks:
            bus.log(level, text)
        parameters = kind.values(**start.parameters)
        resources.callback(kind.make(bus, parameters).close)
        ParameterServices(bus, FixedParameters(parameters), kind.table)
        ending.wait()
    return 0
