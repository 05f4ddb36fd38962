"""A sender of PCM by UDP on this machine: to a group over the loopback interface, or unicast."""

from __future__ import annotations

import random
import socket
import time

import numpy as np
import numpy.typing as npt


def free_group() -> tuple[str, int]:
    """Return a group and a port that other tests are not likely to have."""
    return f"239.168.{random.randint(1, 250)}.{random.randint(1, 250)}", random.randint(
        20_000, 30_000
    )


class Sender:
    """Sends packets; `host` may be a group."""

    def __init__(self, host: str, port: int, source: str = "127.0.0.1") -> None:
        self._to = host, port
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((source, 0))
        self._socket.setsockopt(
            socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1")
        )

    def send(self, packet: bytes) -> None:
        """Send a packet now."""
        self._socket.sendto(packet, self._to)

    def play(self, pcm: npt.NDArray[np.int16], rate: int, block: int) -> None:
        """Send mono samples at their own pace in packets of `block`."""
        begin = time.monotonic()
        for first in range(0, len(pcm) - block + 1, block):
            time.sleep(max(0.0, begin + (first + block) / rate - time.monotonic()))
            self.send(pcm[first : first + block].astype("<i2").tobytes())

    def close(self) -> None:
        """Free the socket."""
        self._socket.close()
