"""The node's host over rclpy."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from personaplex_ros.node.hosts.ending import CANNOT_START
from personaplex_ros.optional import missing_package


def run(arguments: Sequence[str] | None = None) -> int:
    """Start the node and return its exit status; says what is missing if it cannot be imported."""
    try:
        from personaplex_ros.node.ros.host import main
    except ImportError as error:
        print(f"personaplex: {missing_package(error)}", file=sys.stderr)
        return CANNOT_START
    return main(arguments)


def run_device(name: str, arguments: Sequence[str] | None = None) -> int:
    """Start the node microphone or speaker and return its exit status, as `run` does."""
    try:
        from personaplex_ros.node.ros.devices import main
    except ImportError as error:
        print(f"{name}: {missing_package(error)}", file=sys.stderr)
        return CANNOT_START
    return main(name, arguments)
