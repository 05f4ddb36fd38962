"""Calling a service from a tool or a test, in the calling thread."""

from __future__ import annotations

import queue
import time
from typing import Any

from personaplex_ros.node.bare.bus import BareBus

_POLL_S = 0.01


def call_service(bus: BareBus, name: str, type_name: str, request: Any, timeout_s: float) -> Any:
    """Send one request and return the response; not to be called in a callback of the bus.

    Raises TimeoutError saying whether the service was absent or silent, RuntimeError when its
    server runs on another vendor's DDS.
    """
    deadline = time.monotonic() + timeout_s
    full_name = bus.resolve(name, "service")
    client = bus.client(name, type_name)
    try:
        while not client.ready():
            if obstacle := client.obstacle():
                raise RuntimeError(obstacle)
            if time.monotonic() > deadline:
                raise TimeoutError(f"no server of {full_name} appeared within {timeout_s} s")
            time.sleep(_POLL_S)
        replies: queue.SimpleQueue[Any] = queue.SimpleQueue()
        client.call(request, replies.put)
        try:
            return replies.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            raise TimeoutError(f"{full_name} did not answer within {timeout_s} s") from None
    finally:
        client.close()
