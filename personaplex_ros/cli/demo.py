"""Hold a recorded conversation: the node in one process, a caller in another, DDS between them."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from personaplex_ros.audio import read_wave, to_mono
from personaplex_ros.demo import Console, Recorder, play
from personaplex_ros.resources import share_directory

START_S = 180.0  # seconds that the node may take to load the model
LEAD_S = 0.5  # seconds between the node being ready and the caller's first sample
TAIL_S = 0.5  # seconds to wait for the last messages


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument(
        "--input-wav",
        metavar="FILE",
        help="the caller (default: the one that comes with the package)",
    )
    parser.add_argument(
        "--output", metavar="DIR", default="demo", help="folder for the results (default: demo)"
    )
    parser.add_argument(
        "--checkpoint",
        metavar="DIR",
        default="nano",
        help="checkpoint folder (default: the bundled nano)",
    )
    parser.add_argument(
        "--persona", metavar="NAME", default="receptionist", help="default: receptionist"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ... (default: auto)")
    parser.add_argument("--seed", type=int, default=0, help="of the sampling (default: 0)")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    path = Path(arguments.input_wav or share_directory() / "config" / "demo" / "caller.wav")
    wave = read_wave(path)
    caller = to_mono(wave.samples)
    # A graph of its own: nothing of this reaches a robot on the network.
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    os.environ.setdefault("ROS_DOMAIN_ID", str(100 + os.getpid() % 100))
    console = Console(sys.stdout)
    with _node(arguments) as node:
        _converse(arguments, node, caller, wave.rate, path, console)
    return 0


def _converse(
    arguments: argparse.Namespace,
    node: subprocess.Popen[bytes],
    caller: np.ndarray,
    rate: int,
    path: Path,
    console: Console,
) -> None:
    from personaplex_ros.node.dds.bus import DdsBus

    bus = DdsBus("caller")
    try:
        recorder = Recorder(bus, console)
        console.line("starting the node ...")
        deadline = time.monotonic() + START_S
        while not recorder.ready.wait(0.2):
            if node.poll() is not None:
                raise RuntimeError(f"the node ended with status {node.returncode}; see above")
            if time.monotonic() > deadline:
                raise RuntimeError(f"the node was not ready within {START_S:.0f} s")
        console.line(f"the caller {path.name} speaks for {len(caller) / rate:.0f} s")
        if arguments.checkpoint == "nano":
            console.line("the bundled model is a random one: what the robot says is noise")
        start_ns = bus.now_ns() + round(LEAD_S * 1e9)
        recorder.begin(start_ns)
        play(bus, caller, rate, start_ns)
        time.sleep(TAIL_S)
        title = f"{arguments.persona} and {path.stem}, over DDS"
        for written in recorder.save(Path(arguments.output), caller, rate, title):
            console.line(f"wrote {written}")
    finally:
        bus.close()


@contextmanager
def _node(arguments: argparse.Namespace) -> Iterator[subprocess.Popen[bytes]]:
    """Run the node as a process of its own, and end it as Ctrl-C would."""
    values = {
        "checkpoint": arguments.checkpoint,
        "persona": arguments.persona,
        "device": arguments.device,
        "seed": arguments.seed,
    }
    command = [sys.executable, "-m", "personaplex_ros", "node", "--ros-args", "--log-level", "warn"]
    for name, value in values.items():
        command += ["-p", f"{name}:={value}"]
    process = subprocess.Popen(command)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
