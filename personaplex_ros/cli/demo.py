"""Hold a recorded conversation: the node in one process, a caller in another, DDS between them."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from personaplex_ros.audio import read_wave, to_mono
from personaplex_ros.demo import (
    Console,
    Player,
    Recorder,
    isolate_graph,
    node_process,
    wait_until_active,
)
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
    isolate_graph()
    console = Console(sys.stdout)
    parameters = {
        name: getattr(arguments, name) for name in ("checkpoint", "persona", "device", "seed")
    }
    with node_process(parameters) as node:
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
        wait_until_active(node, recorder.active, START_S)
        console.line(f"the caller {path.name} speaks for {len(caller) / rate:.0f} s")
        if arguments.checkpoint == "nano":
            console.line("the bundled model is a random one: what the robot says is noise")
        player = Player(bus)
        player.wait_for_listener(START_S)
        start_ns = bus.now_ns() + round(LEAD_S * 1e9)
        recorder.begin(start_ns)
        player.play(caller, rate, start_ns)
        time.sleep(TAIL_S)
        title = f"{arguments.persona} and {path.stem}, over DDS"
        for written in recorder.save(Path(arguments.output), caller, rate, title):
            console.line(f"wrote {written}")
    finally:
        bus.close()
