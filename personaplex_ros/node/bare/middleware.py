"""Which middleware a node without ROS speaks, chosen as ROS 2's nodes choose theirs."""

from __future__ import annotations

import os
from collections.abc import Mapping

from personaplex_ros.node.bare.bus import BareBus
from personaplex_ros.node.hosts.environment import RMW, ZENOH, speaks_zenoh
from personaplex_ros.node.hosts.names import RosArguments


def middleware_name(environment: Mapping[str, str]) -> str:
    """Return how the middleware is called in titles."""
    return "Zenoh" if speaks_zenoh(environment) else "DDS"


def open_bus(name: str, namespace: str = "/", arguments: RosArguments | None = None) -> BareBus:
    """Open a node on the graph of the middleware that the environment asks for.

    Raises ValueError for names and variables that cannot be used, ImportError where the Python
    package of the middleware is missing.
    """
    if speaks_zenoh(os.environ):
        try:
            from personaplex_ros.node.zenoh.bus import ZenohBus
        except ModuleNotFoundError as error:
            raise ImportError(
                f"{RMW} is {ZENOH}, for which the Python package {error.name} is missing: "
                "pip install 'eclipse-zenoh>=1.10' (or 'personaplex_ros[zenoh]')"
            ) from error
        return ZenohBus(name, namespace, arguments)
    from personaplex_ros.node.dds.bus import DdsBus

    return DdsBus(name, namespace, arguments)
