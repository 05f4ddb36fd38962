"""The node's host over rclpy."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def run(arguments: Sequence[str] | None = None) -> int:
    """Start the node and return its exit status; says what is missing if it cannot be imported."""
    try:
        from personaplex_ros.node.ros.host import main
    except ImportError as error:
        print(
            f"personaplex: the Python package {error.name or error} cannot be imported by "
            f"{sys.executable} ({error}); source the ROS setup file, and install what pip "
            "provides into a virtual environment made with --system-site-packages",
            file=sys.stderr,
        )
        return 1
    return main(arguments)
