"""The node's host over rclpy."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from personaplex_ros.interruption import interruptible
from personaplex_ros.node.hosts.ending import CANNOT_START
from personaplex_ros.optional import missing_package


def run(arguments: Sequence[str] | None = None) -> int:
    """Start the node and return its exit status; says what is missing if it cannot be imported."""
    return start("personaplex", "personaplex_ros.node.ros.host", arguments)


def run_device(name: str, arguments: Sequence[str] | None = None) -> int:
    """Start the node microphone or speaker and return its exit status, as `run` does."""
    return start(name, "personaplex_ros.node.ros.devices", name, arguments)


def start(name: str, module: str, *arguments: object) -> int:
    """Call a module's `main` as the program of this process, as `run` does; return its status."""

    def program(_: object) -> int:
        try:
            main = importlib.import_module(module).main
        except ImportError as error:
            print(f"{name}: {missing_package(error)}", file=sys.stderr)
            return CANNOT_START
        return int(main(*arguments))

    return interruptible(program)
