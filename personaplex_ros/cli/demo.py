"""Hold a recorded conversation: the node in one process, a caller in another."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import numpy as np

from personaplex_ros.audio import read_wave, to_mono
from personaplex_ros.cli.arguments.node import add_node_arguments, node_parameters
from personaplex_ros.cli.arguments.paths import check_folder, refuse_shared_paths
from personaplex_ros.demo import (
    FILES,
    START_S,
    Console,
    Player,
    Recorder,
    choose_graph,
    node_process,
    wait_until_active,
)
from personaplex_ros.node.bare.bus import BareBus
from personaplex_ros.node.bare.middleware import middleware_name, open_bus
from personaplex_ros.resources import share_directory

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
    add_node_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    check_folder("--output", arguments.output, FILES)
    path = Path(arguments.input_wav or share_directory() / "config" / "demo" / "caller.wav")
    refuse_shared_paths(
        {"--input-wav": path}, {"--output": [Path(arguments.output) / name for name in FILES]}
    )
    wave = read_wave(path)
    caller = to_mono(wave.samples)
    environment = choose_graph(arguments.domain)
    bus = open_bus("caller")
    try:
        console = Console(sys.stdout)
        recorder = Recorder(bus, console)
        console.line("starting the node ...")
        with node_process(node_parameters(arguments), environment) as node:
            wait_until_active(node, recorder.active, START_S)
            if wave.remark:
                console.line(f"{path.name}: {wave.remark}")
            console.line(f"the caller {path.name} speaks for {len(caller) / wave.rate:.0f} s")
            _converse(bus, recorder, caller, wave.rate)
        time.sleep(TAIL_S)  # for what the node says when it ends: its last utterance
        title = f"{arguments.persona} and {path.stem}, over {middleware_name(os.environ)}"
        for written in recorder.save(Path(arguments.output), caller, wave.rate, title):
            console.line(f"wrote {written}")
    finally:
        bus.close()
    return 0


def _converse(bus: BareBus, recorder: Recorder, caller: np.ndarray, rate: int) -> None:
    player = Player(bus)
    player.wait_for_listener(START_S)
    start_ns = bus.now_ns() + round(LEAD_S * 1e9)
    recorder.begin(start_ns, len(caller) / rate)
    player.play(caller, rate, start_ns)
    time.sleep(TAIL_S)
