"""What the commands microphone and speaker have in common."""

from __future__ import annotations

import argparse

from personaplex_ros.children import end_with_standard_input

EPILOG = """\
The card, and all other parameters, are those of a ROS 2 node, for example:
  personaplex {name} --ros-args -r __ns:=/robot1 -p card:="USB PnP"
  personaplex {name} --ros-args --params-file robot.yaml
'personaplex devices' lists the cards; without one the default is taken.
"""


def add_device_arguments(parser: argparse.ArgumentParser, name: str) -> None:
    """Describe the arguments of the node `name`."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG.format(name=name)
    parser.usage = f"personaplex {name} [--end-with-stdin] [--ros-args ...]"
    parser.add_argument(
        "--end-with-stdin",
        action="store_true",
        help="end when the standard input is closed",
    )
    parser.set_defaults(ros_arguments=[])  # takes whatever other words there are


def run_device(name: str, arguments: argparse.Namespace) -> int:
    """Run the node `name` until it is interrupted."""
    if arguments.end_with_stdin:
        end_with_standard_input()
    from personaplex_ros.node.bare.devices import main

    return main(name, arguments.ros_arguments)
