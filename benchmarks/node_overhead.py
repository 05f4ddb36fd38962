"""What the node adds to the model: microphone message to speech message, over a real graph.

``python benchmarks/node_overhead.py [--checkpoint nano] [--seconds 30]`` runs the node in a
process of its own and sends 80 ms frames at real speed, over DDS, or over Zenoh with
RMW_IMPLEMENTATION=rmw_zenoh_cpp. It prints

- the node's own figure from /diagnostics: callback -> model -> speech handed on, less the model;
- the round trip seen by the client with an empty model, both hops included.

Aim: the node's own figure under 3 ms at the 99th percentile on two cores.
"""

from __future__ import annotations

import argparse
import array
import os
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace
from typing import Any

import numpy as np

from personaplex_ros.demo import choose_graph
from personaplex_ros.engine import Engine, Startup, StepResult, StepTiming
from personaplex_ros.node.bare.host import main as run_node
from personaplex_ros.node.bare.middleware import middleware_name, open_bus
from personaplex_ros.node.hosts.bus import RELIABLE
from personaplex_ros.node.hosts.messages import set_time
from personaplex_ros.node.parameters.table import Parameters

RATE, FRAME = 24_000, 1920
WARM_UP = 25
GOAL_MS = 3.0


class EmptyModel:
    """An engine and its session that answer at once."""

    sample_rate, frame_size, frame_rate, context_frames = RATE, FRAME, 12.5, 3000
    device = SimpleNamespace(type="cpu")
    position, long_conversation, prompt_in_reach = 0, "pin", True
    memory_bytes, admitted, link = None, "", None
    startup = Startup()

    def hush(self) -> None:
        """Do nothing."""

    def prepare(self, persona: Any) -> Any:
        """Return what stands for it."""
        return SimpleNamespace(left_out="")

    def open(self, persona: Any, sampling: Any, seed: int) -> EmptyModel:
        """Return the session."""
        return self

    def push(self, frame: np.ndarray) -> StepResult:
        """Return silence."""
        timing = StepTiming(0.0, 0.0, 0.0, 0.0, 0.0)
        return StepResult(0, np.zeros_like(frame), 3, "", "PAD", np.zeros(8, np.int64), timing)

    def set_sampling(self, sampling: Any) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def load_empty(parameters: Parameters) -> Engine:
    return EmptyModel()  # type: ignore[return-value]


class Client:
    """Sends frames and notes when their answers come, in order."""

    def __init__(self) -> None:
        self.bus = open_bus("overhead_client")
        self._class = self.bus.message("personaplex_ros/msg/AudioFrame")
        self._out = self.bus.advertise("audio_in", "personaplex_ros/msg/AudioFrame", RELIABLE)
        self.arrivals: dict[int, float] = {}
        self.departures: dict[int, float] = {}
        self.values: dict[str, str] = {}
        self.active = threading.Event()
        for topic, kind, callback in (
            ("audio_out", "personaplex_ros/msg/AudioFrame", self._on_speech),
            ("/diagnostics", "diagnostic_msgs/msg/DiagnosticArray", self._on_diagnostics),
        ):
            self.bus.subscribe(topic, kind, RELIABLE, callback)

    def _on_speech(self, message: Any, _: str) -> None:
        stamp = message.header.stamp
        self.arrivals[stamp.sec * 1_000_000_000 + stamp.nanosec] = time.perf_counter()

    def _on_diagnostics(self, message: Any, _: str) -> None:
        self.values = {pair.key: pair.value for s in message.status for pair in s.values}
        if self.values.get("state") == "active":
            self.active.set()

    def speak(self, frames: int) -> None:
        """Send frames at real speed and wait for the last answers."""
        start_ns, start = time.time_ns(), time.perf_counter()
        noise = np.random.default_rng(0).integers(-3000, 3000, FRAME, dtype=np.int16)
        samples = array.array("h", noise.tobytes())
        for number in range(frames):
            message = self._class()
            stamp_ns = start_ns + number * 80_000_000
            set_time(message.header.stamp, stamp_ns)
            message.sample_rate, message.channels = RATE, 1
            message.first_sample, message.data = number * FRAME, samples
            time.sleep(max(0.0, start + (number + 1) * 0.08 - time.perf_counter()))
            # Speech that answers a frame is stamped with the frame's end.
            self.departures[stamp_ns + 80_000_000] = time.perf_counter()
            self._out.publish(message)
        time.sleep(1.5)

    def round_trips_ms(self) -> np.ndarray:
        """Return the times from sending frames to hearing their answers, warm-up left out."""
        met = [stamp for stamp in self.departures if stamp in self.arrivals][WARM_UP:]
        return np.array([1e3 * (self.arrivals[s] - self.departures[s]) for s in met])


def measure(model: str, checkpoint: str, seconds: float) -> Client:
    words = [sys.executable, __file__, "--run-node", model, "--checkpoint", checkpoint]
    environment = choose_graph(None)
    client = Client()
    node = subprocess.Popen(words, env={**os.environ, **environment})
    try:
        if not client.active.wait(120.0):
            raise RuntimeError("the node did not become active")
        client.speak(round(seconds * 12.5))
        return client
    finally:
        client.bus.close()
        node.send_signal(signal.SIGINT)
        node.wait(20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", default="nano")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--run-node", choices=("empty", "real"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run_node:
        words = ["--ros-args", "--log-level", "warn", "-p", f"checkpoint:={arguments.checkpoint}"]
        load = {"load": load_empty} if arguments.run_node == "empty" else {}
        sys.exit(run_node(words, **load))
    print(f"{'over':>17}: {middleware_name(os.environ)}")
    real = measure("real", arguments.checkpoint, arguments.seconds)
    for name in ("overhead", "model time", "turn-taking time", "frame time"):
        figures = ", ".join(f"{p} {real.values[f'{name} {p}']}" for p in ("p50", "p99", "max"))
        print(f"{name:>17}: {figures}")
    p99 = float(real.values["overhead p99"].split()[0])
    print(f"{'goal':>17}: overhead p99 < {GOAL_MS} ms: {'met' if p99 < GOAL_MS else 'MISSED'}")
    trips = measure("empty", arguments.checkpoint, arguments.seconds).round_trips_ms()
    p50, p99 = np.percentile(trips, (50, 99))
    print(
        f"{'round trip':>17}: p50 {p50:.2f} ms, p99 {p99:.2f} ms, max {trips.max():.2f} ms "
        f"(empty model, {trips.size} frames, both hops and turn-taking's thread included)"
    )


if __name__ == "__main__":
    main()
