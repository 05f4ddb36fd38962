"""The node without ROS: a process on a ROS 2 graph over Cyclone DDS."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from personaplex_ros.node.conversation import Conversation, EngineLoader
from personaplex_ros.node.dds.bus import DdsBus
from personaplex_ros.node.dds.lifecycle import Lifecycle
from personaplex_ros.node.dds.parameter_services import ParameterServices
from personaplex_ros.node.ending import ending_signal
from personaplex_ros.node.loading import load_engine
from personaplex_ros.node.names import NodeName, RosArguments, parse_ros_arguments
from personaplex_ros.node.parameter_files import read_parameter_file
from personaplex_ros.node.parameters import Parameters

NODE_NAME = "personaplex"
NO_AUTOSTART = "--no-autostart"


def parameters_of(arguments: RosArguments, node: NodeName) -> Parameters:
    """Return what parameter files, then single parameters, set for `node`.

    Raises ParameterError naming every value that cannot be used.
    """
    values: dict[str, Any] = {}
    for path in arguments.params_files:
        values.update(read_parameter_file(path, node.full))
    for override in arguments.parameters:
        if override.node in (None, node.name, node.full):
            values[override.name] = override.value
    if values.pop("use_sim_time", False):
        raise ValueError("use_sim_time needs the node under ROS 2: ros2 launch personaplex_ros ...")
    return Parameters.of(values)


def main(arguments: Sequence[str], load: EngineLoader = load_engine) -> int:
    """Run the node until SIGINT or SIGTERM; returns the exit status.

    It configures and activates itself, unless `--no-autostart` leaves that to ~/change_state.
    Raises ValueError for arguments and parameters that cannot be used.
    """
    parsed = parse_ros_arguments(arguments)
    unknown = [word for word in parsed.rest if word != NO_AUTOSTART]
    if unknown:
        raise ValueError(
            f"unknown argument {unknown[0]!r}; known are {NO_AUTOSTART} and --ros-args ..."
        )
    ending = ending_signal()
    bus = DdsBus(NODE_NAME, arguments=parsed)
    conversation = None
    try:
        conversation = Conversation(bus, parameters_of(parsed, bus.node), load)
        lifecycle = Lifecycle(bus, conversation)
        ParameterServices(bus, conversation)
        if NO_AUTOSTART in parsed.rest:
            bus.log("info", "unconfigured: waits for ~/change_state")
        elif not (lifecycle.change("configure") and lifecycle.change("activate")):
            return 1
        ending.wait()
        return 0
    finally:
        if conversation is not None:
            conversation.shutdown()
        bus.close()
