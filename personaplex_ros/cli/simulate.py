"""A receptionist on patrol that stops when spoken to: node, caller and simulated base."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
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
from personaplex_ros.mux_file import read_mux_file
from personaplex_ros.node.bare.bus import BareBus
from personaplex_ros.node.bare.middleware import middleware_name, open_bus
from personaplex_ros.node.hosts.bus import Closable
from personaplex_ros.resources import share_directory
from personaplex_ros.simulation.nodes import BaseNode, MuxNode, PatrolNode
from personaplex_ros.simulation.stops import Stop
from personaplex_ros.simulation.track import FILES as TRACK_FILES
from personaplex_ros.simulation.track import Track

LEAD_S = 2.0  # seconds of patrol before the caller's first sample
TAIL_S = 5.0  # seconds of patrol after its last
ENGAGEMENT_END_S = 4.0  # seconds of silence after which the robot goes on, sooner than in a lobby


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument(
        "--audio-file",
        metavar="FILE",
        help="what the microphone hears (default: the caller that comes with the package)",
    )
    parser.add_argument(
        "--loop", type=int, default=1, metavar="N", help="play it N times (default: 1)"
    )
    parser.add_argument(
        "--output",
        metavar="DIR",
        default="simulation",
        help="folder for the summary, the pictures and the conversation (default: simulation)",
    )
    parser.add_argument(
        "--mux-file",
        metavar="FILE",
        help="parameter file of twist_mux whose rules apply (default: config/twist_mux.yaml)",
    )
    parser.add_argument(
        "--tree",
        action="store_true",
        help="let a behaviour tree lead the patrol: it also stands while it is spoken to, until "
        "the conversation ends (needs py_trees)",
    )
    add_node_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    if arguments.loop < 1:
        raise ValueError(f"--loop is {arguments.loop}; it must be at least 1")
    check_folder("--output", arguments.output, (*FILES, *TRACK_FILES))
    config = share_directory() / "config"
    mux = read_mux_file(arguments.mux_file or config / "twist_mux.yaml")
    path = Path(arguments.audio_file or config / "demo" / "caller.wav")
    refuse_shared_paths(
        {"--audio-file": path}, {"--output": [Path(arguments.output) / name for name in FILES]}
    )
    wave = read_wave(path)
    caller = np.tile(to_mono(wave.samples), arguments.loop)
    environment = choose_graph(arguments.domain)
    with ExitStack() as open_:
        bus = open_bus("simulation")
        open_.callback(bus.close)
        console = Console(sys.stdout)
        recorder, track = Recorder(bus, console), Track(bus)
        leader: Callable[..., Closable] = _receptionist if arguments.tree else PatrolNode
        for robot in (
            MuxNode(bus, mux),
            BaseNode(bus, stamped=mux.stamped),
            leader(bus, stamped=mux.stamped),
        ):
            open_.callback(robot.close)
        console.line("starting the node; until it is there, the lock of the mux holds the base ...")
        parameters = node_parameters(arguments) | {"engagement_end_s": ENGAGEMENT_END_S}
        with node_process(parameters, environment) as node:
            wait_until_active(node, recorder.active, START_S)
            seconds = len(caller) / wave.rate
            if wave.remark:
                console.line(f"{path.name}: {wave.remark}")
            console.line(f"{path.name} speaks for {seconds:.0f} s while the robot patrols")
            _patrol(bus, recorder, track, caller, wave.rate)
        end_s = seconds + TAIL_S
        title = f"{arguments.persona} on patrol and {path.stem}, over {middleware_name(os.environ)}"
        folder = Path(arguments.output)
        written = recorder.save(folder, caller, wave.rate, title)
        written += track.save(folder, end_s, title)
        for stop in track.stops(end_s):
            console.line(describe(stop))
        for file in written:
            console.line(f"wrote {file}")
    return 0


def _receptionist(bus: BareBus, *, stamped: bool) -> Closable:
    from personaplex_ros.simulation.receptionist import ReceptionistNode  # needs py_trees

    return ReceptionistNode(bus, stamped=stamped)


def describe(stop: Stop) -> str:
    """Return a stop as one line."""
    if stop.onset_s is None:
        return f"{stop.hold_s:7.2f} s  held for a sound that was no interruption"
    parts = [f"{stop.onset_s:7.2f} s  interrupted"]
    parts.append(f"held after {stop.hold_s - stop.onset_s:.2f} s")
    if stop.onset_to_stopped_s is not None:
        parts.append(f"stood after {stop.onset_to_stopped_s:.2f} s")
    if stop.released_s is not None:
        parts.append(f"released at {stop.released_s:.2f} s")
    parts.append("not resumed" if stop.resumed_s is None else f"resumed at {stop.resumed_s:.2f} s")
    return ", ".join(parts)


def _patrol(bus: BareBus, recorder: Recorder, track: Track, caller: np.ndarray, rate: int) -> None:
    player = Player(bus)
    player.wait_for_listener(START_S)
    start_ns = bus.now_ns() + round(LEAD_S * 1e9)
    recorder.begin(start_ns, len(caller) / rate)
    track.begin(start_ns)
    player.play(caller, rate, start_ns)
    time.sleep(TAIL_S)
