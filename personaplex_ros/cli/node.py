"""Start the node: it joins a ROS 2 graph, over DDS or Zenoh, without a ROS install."""

from __future__ import annotations

import argparse

from personaplex_ros.children import end_with_standard_input

EPILOG = """\
Arguments are those of any ROS 2 node, for example:
  personaplex node --ros-args -r __ns:=/robot1 -r audio_in:=mic -p checkpoint:=/models/personaplex
  personaplex node --ros-args --params-file config/personaplex.yaml --log-level debug
On the graph of a robot whose ROS 2 runs rmw_zenoh_cpp (needs eclipse-zenoh, see docs/zenoh.md):
  RMW_IMPLEMENTATION=rmw_zenoh_cpp personaplex node --ros-args -p checkpoint:=/models/personaplex
One model for several robots, a node in each namespace:
  personaplex node --robots robot1 robot2 --ros-args -p checkpoint:=/models/personaplex
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    parser.usage = (
        "personaplex node [--end-with-stdin] [--no-autostart] [--robots NAMESPACE ...] "
        "[--ros-args ...]"
    )
    parser.add_argument(
        "--end-with-stdin",
        action="store_true",
        help="end when the standard input is closed: for a program that starts the node and is not "
        "to be survived by it",
    )
    parser.set_defaults(ros_arguments=[])  # takes whatever other words there are


def run(arguments: argparse.Namespace) -> int:
    """Run the node until it is interrupted."""
    if arguments.end_with_stdin:
        end_with_standard_input()
    from personaplex_ros.node.bare.host import main

    return main(arguments.ros_arguments)
