"""Processes that talk DDS on the loopback interface alone, each test in a domain of its own."""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

PEER = Path(__file__).with_name("dds_peer.py")
_ROOT = Path(__file__).resolve().parent.parent
_GIVE_UP_S = 20.0
_ROS_VARIABLES = (
    "RMW_IMPLEMENTATION",
    "ROS_LOCALHOST_ONLY",
    "ROS_AUTOMATIC_DISCOVERY_RANGE",
    "ROS_STATIC_PEERS",
    "ROS_DISTRO",
    "CYCLONEDDS_URI",
)


def loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process and its children meet on loopback, and nobody else (domain and tag)."""
    own_domain(monkeypatch)
    monkeypatch.setenv(
        "CYCLONEDDS_URI",
        "<CycloneDDS><Domain><General><Interfaces>"
        '<NetworkInterface name="lo" multicast="true"/>'
        "</Interfaces></General>"
        f"<Discovery><Tag>{uuid.uuid4()}</Tag></Discovery></Domain></CycloneDDS>",
    )


def own_domain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Choose a random domain and forget what the shell says about ROS's network."""
    for name in _ROS_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    # Up to 101 the domain's ports stay below those that Linux gives to other sockets.
    monkeypatch.setenv("ROS_DOMAIN_ID", str(random.randint(1, 101)))


class Process:
    """A child process that prints JSON lines."""

    def __init__(self, *command: str) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(_ROOT), *sys.path])}
        self._child = subprocess.Popen(
            [sys.executable, *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self._watchdog = threading.Timer(_GIVE_UP_S, self._child.kill)
        self._watchdog.start()

    def line(self) -> dict[str, Any]:
        """Return the next line; fails with the child's stderr when it ended instead."""
        assert self._child.stdout is not None and self._child.stderr is not None
        text = self._child.stdout.readline()
        if not text:
            pytest.fail(f"{self._child.args} ended:\n{self._child.stderr.read()}")
        return dict(json.loads(text))

    def end(self) -> None:
        """Wait for a good end."""
        _, errors = self._child.communicate()
        assert self._child.returncode == 0, errors

    def kill(self) -> None:
        """End it the hard way if it still runs."""
        self._watchdog.cancel()
        self._child.kill()
        self._child.communicate()


@contextlib.contextmanager
def process(*command: str) -> Iterator[Process]:
    """Run a Python script as a child for the length of the block."""
    child = Process(*command)
    try:
        yield child
    finally:
        child.kill()


def peer(*command: str) -> contextlib.AbstractContextManager[Process]:
    """Run the independent client."""
    return process(str(PEER), *command)


def wait_until(condition: Callable[[], Any], timeout_s: float = 10.0) -> None:
    """Fail unless the condition comes true in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.005)
