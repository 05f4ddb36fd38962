"""The node without ROS: a process on a ROS 2 graph over Cyclone DDS."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

from personaplex_ros.node.conversation import Conversation, EngineLoader
from personaplex_ros.node.dds.bus import DdsBus
from personaplex_ros.node.dds.lifecycle import Lifecycle
from personaplex_ros.node.dds.parameter_services import ParameterServices
from personaplex_ros.node.ending import ending_signal
from personaplex_ros.node.host_options import ROBOTS, parse_host_options
from personaplex_ros.node.loading import load_engine, release_memory
from personaplex_ros.node.names import NodeName, RosArguments, parse_ros_arguments
from personaplex_ros.node.parameter_files import read_parameter_file
from personaplex_ros.node.parameters import Parameters
from personaplex_ros.node.shared_model import SharedModel

NODE_NAME = "personaplex"


@dataclass(frozen=True)
class RobotNode:
    """One robot's node in this process."""

    bus: DdsBus
    lifecycle: Lifecycle

    def start(self) -> bool:
        """Configure and activate; False, with the reason in the log, if that failed."""
        return self.lifecycle.change("configure") and self.lifecycle.change("activate")


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


def main(arguments: Sequence[str], load: Callable[..., Any] = load_engine) -> int:
    """Run the node until SIGINT or SIGTERM; returns the exit status.

    It configures and activates itself, unless `--no-autostart` leaves that to ~/change_state.
    With `--robots` there is a node for each namespace, and one model for all.
    Raises ValueError for arguments and parameters that cannot be used.
    """
    parsed = parse_ros_arguments(arguments)
    options = parse_host_options(parsed.rest)
    if options.robots and any(rule.source == "__ns" for rule in parsed.remaps):
        raise ValueError(f"{ROBOTS} gives each robot its namespace; leave __ns out")
    ending = ending_signal()
    with ExitStack() as resources:
        release: Callable[[], None] = release_memory
        if options.robots:
            model = SharedModel(partial(load, slots=len(options.robots)))
            resources.callback(model.close)
            load, release = model.load, model.release
        robots = [
            _open(parsed, namespace, load, release, resources)
            for namespace in options.robots or ("/",)
        ]
        if options.autostart is False:
            for robot in robots:
                robot.bus.log("info", "unconfigured: waits for ~/change_state")
        elif not any([robot.start() for robot in robots]):
            return 1
        ending.wait()
    return 0


def _open(
    arguments: RosArguments,
    namespace: str,
    load: EngineLoader,
    release: Callable[[], None],
    resources: ExitStack,
) -> RobotNode:
    bus = DdsBus(NODE_NAME, namespace, arguments)
    resources.callback(bus.close)
    conversation = Conversation(bus, parameters_of(arguments, bus.node), load, release)
    resources.callback(conversation.shutdown)
    lifecycle = Lifecycle(bus, conversation)
    ParameterServices(bus, conversation)
    return RobotNode(bus, lifecycle)
