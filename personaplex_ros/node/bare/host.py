"""The node without ROS: a process on a ROS 2 graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

from personaplex_ros.memory import release_memory
from personaplex_ros.node.bare.bus import BareBus
from personaplex_ros.node.bare.middleware import open_bus
from personaplex_ros.node.bare.parameter_services import ParameterServices
from personaplex_ros.node.configured import EngineLoader
from personaplex_ros.node.conversation import Conversation
from personaplex_ros.node.hosts.ending import ending_signal
from personaplex_ros.node.hosts.names import RosArguments, parse_ros_arguments
from personaplex_ros.node.hosts.options import parse_host_options
from personaplex_ros.node.lifecycle import Lifecycle
from personaplex_ros.node.loading import load_engine
from personaplex_ros.node.parameters.start import USE_SIM_TIME, start_parameters
from personaplex_ros.node.shared_model import SharedModel

NODE_NAME = "personaplex"


@dataclass(frozen=True)
class RobotNode:
    """One robot's node in this process."""

    bus: BareBus
    lifecycle: Lifecycle

    def start(self) -> bool:
        """Configure and activate; False, with the reason in the log, if that failed."""
        return self.lifecycle.change("configure") and self.lifecycle.change("activate")


def main(arguments: Sequence[str], load: Callable[..., Any] = load_engine) -> int:
    """Run the node until SIGINT or SIGTERM; returns the exit status.

    It configures and activates itself, unless `--no-autostart` leaves that to ~/change_state.
    With `--robots` there is a node for each namespace, and one model for all.
    Raises ValueError for arguments and parameters that cannot be used.
    """
    parsed = parse_ros_arguments(arguments)
    options = parse_host_options(parsed.rest, parsed.remaps)
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
    bus = open_bus(NODE_NAME, namespace, arguments)
    resources.callback(bus.close)
    start = start_parameters(arguments, bus.node)
    if start.of_every_node.get(USE_SIM_TIME):
        raise ValueError("use_sim_time needs the node under ROS 2: ros2 launch personaplex_ros ...")
    for level, text in start.remarks:
        bus.log(level, text)
    conversation = Conversation(bus, start.parameters, load, release)
    resources.callback(conversation.shutdown)
    lifecycle = Lifecycle(bus, conversation)
    ParameterServices(bus, conversation)
    return RobotNode(bus, lifecycle)
