"""Start the node over Cyclone DDS: it joins a ROS 2 graph without a ROS install."""

from __future__ import annotations

import argparse

EPILOG = """\
Arguments are those of any ROS 2 node, for example:
  personaplex node --ros-args -r __ns:=/robot1 -r audio_in:=mic -p checkpoint:=/models/personaplex
  personaplex node --ros-args --params-file config/personaplex.yaml --log-level debug
One model for several robots, a node in each namespace:
  personaplex node --robots robot1 robot2 --ros-args -p checkpoint:=/models/personaplex
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    parser.usage = "personaplex node [--no-autostart] [--robots NAMESPACE ...] [--ros-args ...]"
    parser.set_defaults(ros_arguments=[])  # takes whatever other words there are


def run(arguments: argparse.Namespace) -> int:
    """Run the node until it is interrupted."""
    from personaplex_ros.node.dds.host import main

    return main(arguments.ros_arguments)
