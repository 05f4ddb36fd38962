"""The node under ROS 2: an rclpy node around the conversation."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import rclpy
from rcl_interfaces.msg import SetParametersResult
from rclpy.executors import MultiThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions

from personaplex_ros.memory import release_memory
from personaplex_ros.node.configured import EngineLoader
from personaplex_ros.node.conversation import Conversation
from personaplex_ros.node.hosts.ending import CANNOT_START, ending_signal
from personaplex_ros.node.hosts.names import (
    NodeName,
    RosArguments,
    parse_ros_arguments,
    remap_node,
    without_parameters,
)
from personaplex_ros.node.hosts.options import HostOptions, parse_host_options
from personaplex_ros.node.hosts.serving import answering
from personaplex_ros.node.lifecycle import Lifecycle
from personaplex_ros.node.loading import load_engine
from personaplex_ros.node.parameters.definition import ParameterError, Value
from personaplex_ros.node.parameters.start import RobotStart, start_parameters
from personaplex_ros.node.parameters.table import PARAMETERS
from personaplex_ros.node.ros.bus import RosBus
from personaplex_ros.node.ros.declaration import as_meant, declare
from personaplex_ros.node.ros.spinning import Spinner
from personaplex_ros.node.shared_model import SharedModel

NODE_NAME = "personaplex"
EXECUTOR_THREADS = 8
"""Of a robot at once: audio, timers, a service, a parameter, a goal, and each slow service."""
SHUTDOWN_TIMEOUT_S = 2.0

_OURS = {parameter.name for parameter in PARAMETERS}


class PersonaPlexNode(Node):
    """Maps parameters to the conversation; it holds no behaviour of its own."""

    def __init__(
        self,
        start: RobotStart,
        load: EngineLoader = load_engine,
        release: Callable[[], None] = release_memory,
        namespace: str | None = None,
    ) -> None:
        """Declare the parameters; raises ParameterError for values that do not go together."""
        super().__init__(
            NODE_NAME,
            namespace=namespace,
            parameter_overrides=[
                Parameter(name, value=value) for name, value in start.of_every_node.items()
            ],
        )
        bus = RosBus(self)
        for service in self.services:  # rclpy's own, for parameters
            service.callback = answering(service.callback, service.srv_name, bus.log)
        for level, text in start.remarks:
            bus.log(level, text)
        self.conversation = Conversation(bus, start.parameters, load, release)
        self.lifecycle = Lifecycle(bus, self.conversation)
        declare(self, bus, start.parameters.as_dict())
        self.add_on_set_parameters_callback(self._on_set_parameters)
        self.conversation.follow_parameters(self._follow_parameters)

    def set_parameters(self, parameter_list: list[Parameter]) -> list[SetParametersResult]:
        """Set them one by one, as rclpy does, with what is meant by an integer or by off."""
        return list(super().set_parameters(as_meant(parameter_list)))

    def set_parameters_atomically(self, parameter_list: list[Parameter]) -> SetParametersResult:
        """Set them together, as rclpy does, with what is meant by an integer or by off."""
        return super().set_parameters_atomically(as_meant(parameter_list))

    def _follow_parameters(self, values: Mapping[str, Value]) -> None:
        """Let the parameter server tell what the conversation has changed itself."""
        self.set_parameters_atomically([Parameter(name, value=v) for name, v in values.items()])

    def _on_set_parameters(self, parameters: list[Parameter]) -> SetParametersResult:
        values: dict[str, Any] = {p.name: p.value for p in parameters if p.name in _OURS}
        try:
            self.conversation.set_parameters(values)
        except ParameterError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM; returns the exit status.

    A single node waits for transitions, as ROS 2 launch files expect, unless `--autostart` is
    given. With `--robots` there is a node for each namespace and one model for all; they configure
    and activate themselves, unless `--no-autostart` is given.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    ending = ending_signal()
    with ExitStack() as resources:
        try:
            parsed = parse_ros_arguments(words)
            options = parse_host_options(parsed.rest, parsed.remaps)
            starts = _starts(parsed, options)
            # rclpy's own handlers would invalidate the context before the last messages are sent.
            rclpy.init(
                args=[NODE_NAME, *without_parameters(words)],
                signal_handler_options=SignalHandlerOptions.NO,
            )
            resources.callback(rclpy.shutdown)
            nodes = _nodes(starts, options, resources)
        except (ValueError, LookupError, RuntimeError) as error:
            print(f"{NODE_NAME}: {error}", file=sys.stderr)
            return CANNOT_START
        return _run(ending, options, nodes)


def _starts(arguments: RosArguments, options: HostOptions) -> dict[str | None, RobotStart]:
    """Return what each robot's node starts with by its namespace, None for that of a single one."""
    return {
        namespace: start_parameters(
            arguments, remap_node(NodeName(NODE_NAME, namespace or "/"), arguments.remaps)
        )
        for namespace in options.robots or (None,)
    }


def _nodes(
    starts: dict[str | None, RobotStart],
    options: HostOptions,
    resources: ExitStack,
) -> list[PersonaPlexNode]:
    if not options.robots:
        return [PersonaPlexNode(start) for start in starts.values()]
    model = SharedModel(partial(load_engine, slots=len(options.robots)))
    resources.callback(model.close)
    return [PersonaPlexNode(s, model.load, model.release, n) for n, s in starts.items()]


def _run(ending: threading.Event, options: HostOptions, nodes: list[PersonaPlexNode]) -> int:
    executor = MultiThreadedExecutor(EXECUTOR_THREADS * len(nodes))
    for node in nodes:
        executor.add_node(node)
    spinner = Spinner(executor, nodes[0].get_logger(), ending)
    if options.autostart or (options.robots and options.autostart is None):
        for node in nodes:
            if node.lifecycle.change("configure"):
                node.lifecycle.change("activate")
    ending.wait()
    for node in nodes:
        node.conversation.shutdown()
    executor.shutdown(SHUTDOWN_TIMEOUT_S)
    spinner.join(SHUTDOWN_TIMEOUT_S)
    for node in nodes:
        node.destroy_node()
    if spinner.failure is not None:
        print(f"{NODE_NAME}: the executor failed: {spinner.failure!r}", file=sys.stderr)
        return 1
    return 0
