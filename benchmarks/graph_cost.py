"""What a frame of 80 ms costs on the graph: a sender and a receiver, over DDS and over Zenoh.

``python benchmarks/graph_cost.py [--frames 250] [--rounds 3]`` sends frames of audio from one
process to another at real speed, one middleware after the other in each round, and prints

- the processor time of each process per frame, all its threads, which others on the machine hardly
  change;
- the time from before publishing to the subscriber's callback, which they do.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from typing import Any

import numpy as np

from personaplex_ros.demo import choose_graph
from personaplex_ros.node.bare.middleware import open_bus
from personaplex_ros.node.hosts.bus import RELIABLE
from personaplex_ros.node.hosts.messages import set_time, time_ns

AUDIO = "personaplex_ros/msg/AudioFrame"
FRAME, FRAME_S, LEFT_OUT = 1920, 0.08, 25
MIDDLEWARES = ("rmw_cyclonedds_cpp", "rmw_zenoh_cpp")


def receive(frames: int) -> None:
    """Print delays in ms and the processor time per frame in ms."""
    bus = open_bus("receiver")
    delays: list[float] = []
    cpu: list[float] = []

    def on_frame(message: Any, _: str) -> None:
        delays.append((time.time_ns() - time_ns(message.header.stamp)) / 1e6)
        cpu.append(time.process_time())

    bus.subscribe("audio_in", AUDIO, RELIABLE, on_frame)
    deadline = time.monotonic() + 30.0 + frames * FRAME_S
    while len(delays) < frames and time.monotonic() < deadline:
        time.sleep(0.5)
    spent = (cpu[-1] - cpu[LEFT_OUT]) / (len(cpu) - 1 - LEFT_OUT) * 1e3
    print(spent, *delays[LEFT_OUT:])
    bus.close()


def send(frames: int, environment: dict[str, str]) -> tuple[float, float, np.ndarray]:
    """Return the sender's and the receiver's time per frame and the delays, all in ms."""
    bus = open_bus("sender")
    out = bus.advertise("audio_in", AUDIO, RELIABLE)
    words = [sys.executable, __file__, "--receive", "--frames", str(frames)]
    receiver = subprocess.Popen(
        words, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True
    )
    while not out.subscribers():
        time.sleep(0.05)
    time.sleep(1.0)
    samples = np.random.default_rng(0).integers(-3000, 3000, FRAME, dtype=np.int16)
    message: Any = bus.message(AUDIO)()
    message.sample_rate, message.channels, message.data = 24_000, 1, samples
    start, cpu = time.monotonic(), 0.0
    for number in range(frames):
        time.sleep(max(0.0, start + number * FRAME_S - time.monotonic()))
        if number == LEFT_OUT:
            cpu = time.process_time()
        message.first_sample = number * FRAME
        set_time(message.header.stamp, time.time_ns())
        out.publish(message)
    spent = (time.process_time() - cpu) / (frames - LEFT_OUT) * 1e3
    told, _ = receiver.communicate()
    bus.close()
    theirs, *delays = map(float, told.split())
    return spent, theirs, np.array(delays)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=250)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--receive", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.receive:
        receive(arguments.frames)
        return
    for _ in range(arguments.rounds):
        for name in MIDDLEWARES:
            os.environ["RMW_IMPLEMENTATION"] = name
            ours, theirs, delays = send(arguments.frames, choose_graph(None))
            p50, p99 = np.percentile(delays, (50, 99))
            print(
                f"{name:>20}: sender {ours:.2f} ms, receiver {theirs:.2f} ms of processor a frame; "
                f"on its way {p50:.2f} ms (p50), {p99:.2f} ms (p99); {len(delays)} frames"
            )


if __name__ == "__main__":
    main()
