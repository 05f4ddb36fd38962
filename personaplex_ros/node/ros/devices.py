"""The nodes of sound cards under ROS 2."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack

import rclpy
from rclpy.executors import MultiThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions

from personaplex_ros.node.devices.kinds import KINDS, DeviceKind, refuse_words
from personaplex_ros.node.hosts.ending import CANNOT_START, ending_signal
from personaplex_ros.node.hosts.names import (
    NodeName,
    RosArguments,
    parse_ros_arguments,
    remap_node,
    without_parameters,
)
from personaplex_ros.node.parameters.start import start_values
from personaplex_ros.node.ros.bus import RosBus
from personaplex_ros.node.ros.declaration import declare
from personaplex_ros.node.ros.spinning import Spinner

THREADS = 4
SHUTDOWN_TIMEOUT_S = 2.0


def main(name: str, arguments: Sequence[str] | None = None) -> int:
    """Run the node `name` until SIGINT or SIGTERM; returns the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    ending = ending_signal()
    with ExitStack() as resources:
        try:
            parsed = parse_ros_arguments(words)
            refuse_words(name, parsed.rest)
            # rclpy's own handlers would invalidate the context before the last messages are sent.
            rclpy.init(
                args=[name, *without_parameters(words)],
                signal_handler_options=SignalHandlerOptions.NO,
            )
            resources.callback(rclpy.shutdown)
            node = _open(KINDS[name], parsed, resources)
        except (ValueError, LookupError, RuntimeError, OSError) as error:
            print(f"{name}: {error}", file=sys.stderr)
            return CANNOT_START
        executor = MultiThreadedExecutor(THREADS)
        executor.add_node(node)
        spinner = Spinner(executor, node.get_logger(), ending)
        ending.wait()
        executor.shutdown(SHUTDOWN_TIMEOUT_S)
        spinner.join(SHUTDOWN_TIMEOUT_S)
    return 0 if spinner.failure is None else 1


def _open(kind: DeviceKind, arguments: RosArguments, resources: ExitStack) -> Node:
    start = start_values(arguments, remap_node(NodeName(kind.name), arguments.remaps), kind.table)
    parameters = kind.values(**start.parameters)
    node = Node(
        kind.name,
        parameter_overrides=[
            Parameter(name, value=value) for name, value in start.of_every_node.items()
        ],
    )
    resources.callback(node.destroy_node)
    bus = RosBus(node)
    for level, text in start.remarks:
        bus.log(level, text)
    declare(node, bus, parameters.as_dict(), kind.table)
    resources.callback(kind.make(bus, parameters).close)
    return node
