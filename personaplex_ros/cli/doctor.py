"""Tell whether this machine will work.

One page: Python, torch, GPU and memory against what the chosen checkpoint needs, the expected time
of a frame, sound cards, ROS and DDS, each with its remedy. The exit status is 1 if anything fails.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path

from personaplex_ros.cli.arguments.paths import outputs
from personaplex_ros.doctor import Setup, examine
from personaplex_ros.doctor.page import as_data, ready, render, wants_colour
from personaplex_ros.files import write_whole


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--checkpoint",
        default="nano",
        metavar="DIR",
        help="checkpoint folder (default: the bundled nano); if there is none, memory and pace "
        "are those of the published PersonaPlex-7B",
    )
    parser.add_argument(
        "--device", default="auto", help="auto, cpu, cuda, cuda:1, ... (default: auto)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the findings here too")


def run(arguments: argparse.Namespace) -> int:
    """Examine, print the page, and write the file if one is asked for."""
    with outputs({"--json": [arguments.json] if arguments.json else []}):
        return _examine(arguments)


def _examine(arguments: argparse.Namespace) -> int:
    setup = Setup(arguments.checkpoint, arguments.device)
    sections = examine(setup)
    columns = shutil.get_terminal_size().columns
    print(render(sections, setup, columns, wants_colour(sys.stdout)))
    if arguments.json:
        text = json.dumps(as_data(sections, setup), indent=1) + "\n"
        write_whole(arguments.json, lambda path: path.write_text(text, encoding="utf-8"))
    return 0 if ready(sections) else 1
