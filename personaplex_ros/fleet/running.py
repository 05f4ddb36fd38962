"""A fleet on this machine alone: Ray is started for it, and ends with it."""

from __future__ import annotations

import math
import signal
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
    application: Any, machine: Machine, drain_s: float, opened: Callable[[], None]
) -> None:
    """Serve until SIGTERM or SIGINT comes; `opened` is called when the replicas are there.

    SIGTERM lets conversations go on for `drain_s`, SIGINT does not.
    """
    ray.init(
        "local",
        num_cpus=max(1, math.ceil(machine.cpus)),
        num_gpus=math.ceil(machine.gpus),
        object_store_memory=STORE_BYTES,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="warning",
        _node_ip_address="127.0.0.1",
    )
    try:
        options: dict[str, Any] = {"host": machine.host, "port": machine.port}
        if machine.certificate:
            options |= {"ssl_keyfile": machine.key, "ssl_certfile": machine.certificate}
        serve.start(proxy_location="HeadOnly", http_options=options)
        serve.run(application, name=NAME, route_prefix="/", blocking=False)
        ending = _Ending()
        opened()
        if ending.wait():
            serve.delete(NAME, _blocking=False)
            until_s = time.monotonic() + drain_s + ENDS_S
            while NAME in serve.status().applications and time.monotonic() < until_s:
                if ending.again.wait(LOOK_S):
                    break
    finally:
        ray.shutdown()


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
