"""A Zenoh router and nodes on the loopback interface alone, each test with a port of its own."""

from __future__ import annotations

import contextlib
import json
import random
import socket
from collections.abc import Iterator
from typing import Any

import pytest

try:
    import zenoh
except ModuleNotFoundError:  # it is optional
    zenoh = None

VARIABLES = (
    "ROS_DISTRO",
    "ROS_SECURITY_ENABLE",
    "ZENOH_SESSION_CONFIG_URI",
    "ZENOH_CONFIG_OVERRIDE",
)


def free_port() -> int:
    """Return a port that nobody listens to now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def configuration(**values: object) -> Any:
    """Return a configuration without multicast; "listen__endpoints" is listen/endpoints."""
    made = zenoh.Config()
    made.insert_json5("scouting/multicast/enabled", "false")
    made.insert_json5("timestamping/enabled", "true")
    for name, value in values.items():
        made.insert_json5(name.replace("__", "/"), json.dumps(value))
    return made


@contextlib.contextmanager
def router(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Run a router, and let this process and its children find it, in a domain of their own."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    if zenoh is None:
        pytest.skip("eclipse-zenoh is not installed")
    port = free_port()
    endpoint = f"tcp/127.0.0.1:{port}"
    monkeypatch.setenv("RMW_IMPLEMENTATION", "rmw_zenoh_cpp")
    monkeypatch.setenv("ROS_DOMAIN_ID", str(random.randint(1, 232)))
    monkeypatch.setenv(
        "ZENOH_CONFIG_OVERRIDE",
        f'connect/endpoints=["{endpoint}"];listen/endpoints=["tcp/127.0.0.1:0"];scouting/delay=0',
    )
    with zenoh_router(port):
        yield port


def zenoh_router(port: int) -> contextlib.AbstractContextManager[Any]:
    """Run a router at a port of this machine."""
    endpoints = [f"tcp/127.0.0.1:{port}"]
    session: contextlib.AbstractContextManager[Any] = zenoh.open(
        configuration(mode="router", listen__endpoints=endpoints)
    )
    return session
