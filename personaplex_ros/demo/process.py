"""The node as a process of its own, as a robot would run it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

START_S = 180.0  # seconds that the node may take to load the model
END_S = 15.0  # seconds that the node may take to end


def isolate_graph() -> None:
    """Keep this process and its children off every network, on a ROS domain of their own."""
    os.environ.pop("CYCLONEDDS_URI", None)
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    os.environ.setdefault("ROS_DOMAIN_ID", str(100 + os.getpid() % 100))


@contextmanager
def node_process(parameters: Mapping[str, object]) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``personaplex node`` with parameters, and end it as Ctrl-C would."""
    command = [sys.executable, "-m", "personaplex_ros", "node", "--ros-args", "--log-level", "warn"]
    for name, value in parameters.items():
        command += ["-p", f"{name}:={value}"]
    process = subprocess.Popen(command)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until_active(
    process: subprocess.Popen[bytes], active: threading.Event, timeout_s: float
) -> None:
    """Wait until the node says it is active; RuntimeError if it ends or takes longer."""
    deadline = time.monotonic() + timeout_s
    while not active.wait(0.2):
        if process.poll() is not None:
            raise RuntimeError(f"the node ended with status {process.returncode}; see above")
        if time.monotonic() > deadline:
            raise RuntimeError(f"the node was not active within {timeout_s:.0f} s")
