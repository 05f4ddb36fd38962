"""A fleet on this machine alone: Ray is started for it, and ends with it."""

from __future__ import annotations

import math
import re
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any

import ray
from ray import serve

NAME = "personaplex"
STORE_BYTES = 80 << 20
"""Of shared memory for Ray's objects, of which a fleet has none that are large; its least."""
ENDS_S = 10.0
"""For what waits no more to end."""
LOOK_S = 0.5


@dataclass(frozen=True)
class Machine:
    """Where to listen, and what all replicas take together; TLS by files, where there are any."""

    host: str
    port: int
    certificate: str | None
    key: str | None
    cpus: float
    gpus: float


def serve_here(
    application: Any, machine: Machine, drain_s: float, opened: Callable[[int], None]
) -> None:
    """Serve until SIGTERM or SIGINT comes; `opened` is told the port when the replicas are there.

    Raises OSError where it cannot listen, RuntimeError where a replica cannot start. SIGTERM lets
    conversations go on for `drain_s`, SIGINT does not.
    """
    port = _port(machine)
    ray.init(
        "local",
        num_cpus=max(1, math.ceil(machine.cpus)),
        num_gpus=math.ceil(machine.gpus),
        object_store_memory=STORE_BYTES,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="warning",
    )
    try:
        options: dict[str, Any] = {"host": machine.host, "port": port}
        if machine.certificate:
            options |= {"ssl_keyfile": machine.key, "ssl_certfile": machine.certificate}
        serve.start(proxy_location="HeadOnly", http_options=options)
        _deploy(application)
        ending = _Ending()
        opened(port)
        if ending.wait():
            serve.delete(NAME, _blocking=False)
            until_s = time.monotonic() + drain_s + ENDS_S
            while NAME in serve.status().applications and time.monotonic() < until_s:
                if ending.again.wait(LOOK_S):
                    break
    finally:
        ray.shutdown()


def _port(machine: Machine) -> int:
    """Return a port where it can be listened; raises OSError where that of the machine cannot."""
    with socket.create_server((machine.host, machine.port), family=_family(machine.host)) as trial:
        return int(trial.getsockname()[1])


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _deploy(application: Any) -> None:
    """Wait until all is there; raises RuntimeError that says what failed in a replica."""
    try:
        serve.run(application, name=NAME, route_prefix="/", blocking=False)
    except RuntimeError as error:
        known = serve.status().applications.get(NAME)
        told = [] if known is None else [d.message for d in known.deployments.values()]
        why = next((line for message in told if (line := _reason(message))), str(error))
        raise RuntimeError(f"a replica could not start: {why}") from error


def _reason(message: str) -> str:
    """Return what was raised, of what Ray Serve tells with its traceback; or nothing."""
    raised = re.findall(r"^(?:\w+\.)*\w*(?:Error|Exception): (.+)$", message, re.MULTILINE)
    return raised[-1] if raised else ""


class _Ending:
    """What signals ask for, from now on; Ray has handlers of its own, which are replaced."""

    def __init__(self) -> None:
        self._asked, self.again = threading.Event(), threading.Event()
        self._patient = True
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask)

    def wait(self) -> bool:
        """Wait for a signal; return whether conversations may go on for a while."""
        self._asked.wait()
        return self._patient

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self._patient = number == signal.SIGTERM
        (self.again if self._asked.is_set() else self._asked).set()
