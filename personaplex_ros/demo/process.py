"""The node as a process of its own, as a robot would run it."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from personaplex_ros.node.hosts.environment import (
    MAX_DOMAIN_ID,
    ZENOH_FILE,
    ZENOH_OVERRIDE,
    speaks_zenoh,
)

START_S = 180.0  # seconds that the node may take to load the model
END_S = 15.0  # seconds that the node may take to end


def choose_graph(domain: int | None) -> dict[str, str]:
    """Let this process and its children join a ROS domain as the environment says, or no robot's.

    Without a domain they meet each other only, whatever the environment says: on this machine, in
    a domain that it does not name, and with a tag, or at a port, that keeps them apart from all
    others there. Returns what children need in their environment besides. Raises ValueError for a
    domain that there cannot be.
    """
    if domain is not None:
        if not 0 <= domain <= MAX_DOMAIN_ID:
            raise ValueError(f"--domain is {domain}; it must be from 0 to {MAX_DOMAIN_ID}")
        os.environ["ROS_DOMAIN_ID"] = str(domain)
        return {}
    for name in ("ROS_LOCALHOST_ONLY", "ROS_STATIC_PEERS"):
        os.environ.pop(name, None)
    robots = os.environ.get("ROS_DOMAIN_ID", "0")
    # Up to 101 a domain's ports stay below those that Linux gives to other sockets.
    own = random.choice([number for number in range(1, 102) if str(number) != robots])
    os.environ["ROS_DOMAIN_ID"] = str(own)
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    os.environ["CYCLONEDDS_URI"] = (
        f"<CycloneDDS><Domain><Discovery><Tag>{uuid.uuid4()}</Tag></Discovery></Domain></CycloneDDS>"
    )
    return _meet_at_a_port() if speaks_zenoh(os.environ) else {}


def _meet_at_a_port() -> dict[str, str]:
    """Let this process's session listen on this machine, and its children's go there."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        here = f"tcp/127.0.0.1:{probe.getsockname()[1]}"
    os.environ.pop(ZENOH_FILE, None)
    os.environ[ZENOH_OVERRIDE] = f'listen/endpoints=["{here}"];connect/endpoints=[]'
    anywhere = "tcp/127.0.0.1:0"
    return {ZENOH_OVERRIDE: f'listen/endpoints=["{anywhere}"];connect/endpoints=["{here}"]'}


@contextmanager
def node_process(
    parameters: Mapping[str, object], environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``personaplex node`` with parameters, and end it with SIGTERM.

    That is silent also where Python has only begun, and a terminal's Ctrl-C does not reach the
    node, for which it would be the first of two signals. It ends, too, when this process does,
    since its standard input closes then. There is no way from a loudspeaker to its microphone, so
    it cancels no echo. `environment` is what `choose_graph` returned.
    """
    command = [sys.executable, "-m", "personaplex_ros", "node", "--end-with-stdin"]
    command += ["--ros-args", "--log-level", "warn"]
    for name, value in {"echo_cancellation": "off", **parameters}.items():
        command += ["-p", f"{name}:={value}"]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, start_new_session=True, env={**os.environ, **environment}
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin is not None:
            process.stdin.close()


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
