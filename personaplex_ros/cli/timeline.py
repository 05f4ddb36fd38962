"""Draw the timeline of a recorded conversation, also of one whose process was killed.

The folder is one that the node recorded (parameter record), or that demo or simulate wrote. If its
bag was not completed, it is completed on the way.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from personaplex_ros.cli.arguments.paths import outputs
from personaplex_ros.recording import complete_bag
from personaplex_ros.recording.reading import read_folder
from personaplex_ros.timeline import timeline_files, write_timeline


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = __doc__
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="the recording")
    parser.add_argument(
        "--output",
        metavar="FILE",
        type=Path,
        help="where to draw, as FILE.png and FILE.html (default: FOLDER/timeline)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    output = arguments.output or arguments.folder / "timeline"
    recording = read_folder(arguments.folder)
    with outputs({"--output": timeline_files(output)}):
        try:
            if complete_bag(arguments.folder):
                print(f"completed {arguments.folder / 'bag'}, whose process was killed")
        except OSError as error:
            print(f"the bag of {arguments.folder} stays incomplete: {error}", file=sys.stderr)
        for written in write_timeline(recording, output):
            print(f"wrote {written}")
    return 0
