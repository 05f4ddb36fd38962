"""Does the node's memory stay flat? A long conversation over DDS at real speed.

usage: python benchmarks/soak.py [--minutes 30] [--checkpoint nano] [--json FILE]

The node runs in its own process; the demo's caller speaks to it again and again. Every ten seconds
the node's resident memory is read from the system and its counters from /diagnostics. The memory
is flat when it does not grow by more than 1 % between the second minute and the end; the exit
status is 1 when it does, or when audio was lost.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from personaplex_ros.audio import read_wave, to_mono
from personaplex_ros.demo import Player, choose_graph, node_process, wait_until_active
from personaplex_ros.node.dds.bus import DdsBus
from personaplex_ros.node.hosts.bus import RELIABLE
from personaplex_ros.resources import share_directory

PERIOD_S = 10.0
WARM_UP_S = 120.0
START_S = 180.0
ALLOWED_GROWTH = 1.01
LOSSES = ("late samples", "skipped frames", "gaps", "filled frames", "nan samples")


class Watcher:
    """Keeps the newest diagnostics of the node."""

    def __init__(self, bus: DdsBus) -> None:
        self.active = threading.Event()
        self.values: dict[str, str] = {}
        bus.subscribe("/diagnostics", "diagnostic_msgs/msg/DiagnosticArray", RELIABLE, self._on)

    def _on(self, message: Any, _: str) -> None:
        for status in message.status:
            self.values.update({value.key: value.value for value in status.values})
        if self.values.get("state") == "active":
            self.active.set()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--checkpoint", default="nano")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    wave = read_wave(share_directory() / "config" / "demo" / "caller.wav")
    caller = to_mono(wave.samples)
    repeats = int(np.ceil(arguments.minutes * 60 * wave.rate / len(caller)))
    speech = np.tile(caller, repeats)[: int(arguments.minutes * 60 * wave.rate)]
    choose_graph(None)
    samples: list[tuple[float, float]] = []
    with node_process({"checkpoint": arguments.checkpoint, "seed": 0}) as node:
        bus = DdsBus("soak")
        watcher = Watcher(bus)
        wait_until_active(node, watcher.active, START_S)
        process = psutil.Process(node.pid)
        player = Player(bus)
        player.wait_for_listener(START_S)
        start_ns = bus.now_ns() + 10**9
        talk = threading.Thread(target=player.play, args=(speech, wave.rate, start_ns), daemon=True)
        began = time.monotonic()
        talk.start()
        print(
            f"{'minute':>8}{'MiB':>9}{'frames':>9}{'late':>6}{'frame p99':>12}{'overhead p99':>14}"
        )
        while talk.is_alive():
            talk.join(PERIOD_S)
            if not process.is_running() or node.poll() is not None:
                print("the node ended", file=sys.stderr)
                return 1
            samples.append((time.monotonic() - began, process.memory_info().rss / 2**20))
            if len(samples) % 6 == 0:
                print_row(samples[-1], watcher.values)
        final = dict(watcher.values)
        bus.close()
    settled = [mib for at, mib in samples if at >= min(WARM_UP_S, samples[-1][0] / 2)]
    growth = settled[-1] / settled[0]
    lost = {name: final.get(name, "") for name in LOSSES}
    print(f"memory after warm-up {settled[0]:.1f} MiB, at the end {settled[-1]:.1f} MiB, "
          f"largest {max(settled):.1f} MiB: {100 * (growth - 1):+.2f} %")  # fmt: skip
    print(f"frames {final['frames']}, late frames {final['late frames']}, lost: {lost}")
    if arguments.json:
        content = {"memory_mib": samples, "growth": growth, "diagnostics": final}
        arguments.json.write_text(json.dumps(content, indent=1))
    return int(growth > ALLOWED_GROWTH)


def print_row(sample: tuple[float, float], values: dict[str, str]) -> None:
    names = ("frames", "late frames", "frame time p99", "overhead p99")
    cells = [f"{sample[0] / 60:.1f}", f"{sample[1]:.1f}", *(values.get(n, "-") for n in names)]
    print("".join(f"{cell:>14}" for cell in cells), flush=True)


if __name__ == "__main__":
    sys.exit(main())
