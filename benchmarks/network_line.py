"""A bad line between two network namespaces: delay, jitter, loss and reordering of every packet.

It does what `tc netem delay D J loss L` does at both ends of a veth pair, on kernels without
sch_netem, too: two TAP devices, one in each namespace, and a thread that passes packets on. Each
packet is delayed by itself, evenly distributed within D +- J, so it may overtake others.
Needs root, /dev/net/tun and `ip` (Debian: iproute2).
"""

from __future__ import annotations

import fcntl
import heapq
import os
import random
import select
import shutil
import struct
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
ARP = b"\x08\x06"
DEVICE = "wire"


@dataclass(frozen=True)
class LineQuality:
    """Of one direction, the same in both: seconds, and the share of packets that are lost."""

    delay_s: float = 0.0
    jitter_s: float = 0.0
    loss: float = 0.0


def why_not() -> str:
    """Say why no line can be made here; empty where it can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "no command ip: apt install iproute2"
    if not Path("/dev/net/tun").exists():
        return "no /dev/net/tun"
    probe = f"probe{os.getpid()}"
    try:
        _ip("netns", "add", probe)
        _ip("netns", "del", probe)
    except (OSError, subprocess.CalledProcessError):
        return "no network namespace may be made here"
    return ""


@dataclass
class Line:
    """Two namespaces, `left` and `right`, with a device `wire` each and a line between them."""

    quality: LineQuality
    seed: int = 0
    left: str = field(default_factory=lambda: f"left{os.getpid()}")
    right: str = field(default_factory=lambda: f"right{os.getpid()}")
    passed: int = 0
    lost: int = 0

    def __enter__(self) -> Line:
        self._ends = []
        try:
            for number, name in enumerate((self.left, self.right), start=1):
                _ip("netns", "add", name)
                self._ends.append(_tap(f"{DEVICE}{os.getpid()}{number}"))
                _ip("link", "set", f"{DEVICE}{os.getpid()}{number}", "netns", name)
                inside = ("-n", name)
                _ip(*inside, "link", "set", f"{DEVICE}{os.getpid()}{number}", "name", DEVICE)
                _ip(*inside, "addr", "add", f"10.77.0.{number}/24", "dev", DEVICE)
                _ip(*inside, "link", "set", "lo", "up")
                _ip(*inside, "link", "set", DEVICE, "up", "multicast", "on")
                _ip(*inside, "route", "add", "224.0.0.0/4", "dev", DEVICE)
        except BaseException:
            self._remove()
            raise
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._pass_on, name="line", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._thread.join()
        self._remove()

    def _remove(self) -> None:
        for end in self._ends:
            os.close(end)
        for name in (self.left, self.right):
            subprocess.run(["ip", "netns", "del", name], capture_output=True)

    def _pass_on(self) -> None:
        rng, quality = random.Random(self.seed), self.quality
        waiting: list[tuple[float, int, int, bytes]] = []
        others = dict(zip(self._ends, self._ends[::-1], strict=True))
        count = 0
        while not self._stopping.is_set():
            now_s = time.monotonic()
            due_s = waiting[0][0] - now_s if waiting else 0.1
            readable, _, _ = select.select(self._ends, [], [], min(max(due_s, 0.0), 0.1))
            now_s = time.monotonic()
            for end in readable:
                packet = os.read(end, 65536)
                count += 1
                spread = quality.jitter_s
                at_s = now_s + max(0.0, quality.delay_s + rng.uniform(-spread, spread))
                if packet[12:14] != ARP and rng.random() < quality.loss:
                    self.lost += 1
                    continue
                heapq.heappush(waiting, (at_s, count, others[end], packet))
            while waiting and waiting[0][0] <= now_s:
                _, _, other, packet = heapq.heappop(waiting)
                os.write(other, packet)
                self.passed += 1


def inside(namespace: str, *command: str) -> list[str]:
    """Return a command that runs in a namespace."""
    return ["ip", "netns", "exec", namespace, *command]


def dds_environment(domain: int) -> dict[str, str]:
    """Return what lets Cyclone DDS use the line, and nothing else."""
    interface = f'<NetworkInterface name="{DEVICE}" multicast="true"/>'
    general = f"<General><Interfaces>{interface}</Interfaces></General>"
    uri = f"<CycloneDDS><Domain>{general}</Domain></CycloneDDS>"
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("ROS_") and name != "CYCLONEDDS_URI"
    }
    return {**kept, "ROS_DOMAIN_ID": str(domain), "CYCLONEDDS_URI": uri}


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def _tap(name: str) -> int:
    end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    return end
