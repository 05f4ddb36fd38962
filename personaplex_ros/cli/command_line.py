"""Reads the command line and runs one subcommand."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from personaplex_ros import __version__
from personaplex_ros.cli.arguments.paths import refuse_empty_words
from personaplex_ros.cli.streams import open_streams
from personaplex_ros.interruption import Interruption
from personaplex_ros.optional import missing_package
from personaplex_ros.remedies import with_remedy

COMMANDS = {
    "offline": "answer a recording, faster or slower than real time",
    "demo": "hold a recorded conversation with the node",
    "simulate": "let a simulated robot patrol and be spoken to",
    "serve": "hold conversations over the network, in Moshi's protocol and OpenAI's",
    "fleet": "serve so with many replicas of the model behind one address, with Ray Serve",
    "node": "start the ROS node (over Cyclone DDS or Zenoh; no ROS install needed)",
    "timeline": "draw a conversation that was recorded",
    "microphone": "publish a sound card's microphone on audio_in (no ROS install needed)",
    "speaker": "play audio_out on a sound card's loudspeaker (no ROS install needed)",
    "devices": "list the sound cards and try them",
    "download": "fetch the published weights",
    "train": "train a small checkpoint such as nano from nothing",
    "evaluate": "measure a model with Full-Duplex-Bench, turn events with TurnBench",
    "doctor": "tell whether this machine will work",
}


def run(words: Sequence[str] | None, interruption: Interruption) -> int:
    """Run the command line, that of this process for None; return the exit status."""
    own = words is None
    lost = open_streams() if own else str
    try:
        status = _run(list(sys.argv[1:] if words is None else words), interruption)
    except SystemExit as end:  # of argparse
        if not own:
            raise
        status = end.code if isinstance(end.code, int) else 0
    if problem := lost():
        print(f"personaplex: error: the standard output: {problem}", file=sys.stderr)
        status = status or 2
    return status


def _run(words: list[str], interruption: Interruption) -> int:
    try:
        arguments = _parse(words)
        interruption.working = True
        return int(arguments.run(arguments))
    except ModuleNotFoundError as error:
        problem = missing_package(error)
    except (ValueError, OSError, RuntimeError, ImportError, MemoryError) as error:
        problem = with_remedy(error)
    if not interruption.status:  # else it is what the interruption was made of on its way
        print(f"personaplex: error: {problem}", file=sys.stderr)
    return 2


def _parse(words: list[str]) -> argparse.Namespace:
    """Return the arguments, with `run` to carry them out."""
    parser = argparse.ArgumentParser(
        prog="personaplex", description="Full-duplex spoken conversation for robots."
    )
    parser.add_argument("--version", action="version", version=f"personaplex_ros {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, text in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        if words[:1] == [name]:  # torch is imported only by commands that need it
            module = importlib.import_module(f"personaplex_ros.cli.{name}")
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    arguments, rest = parser.parse_known_args(words)
    refuse_empty_words(words)
    if rest and not hasattr(arguments, "ros_arguments"):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    arguments.ros_arguments = rest
    return arguments
