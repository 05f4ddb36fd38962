"""Fetch a checkpoint from the Hugging Face hub.

The published weights are gated: their licence has to be accepted at the model's page first. An
interrupted download continues where it stopped. HF_TOKEN, HF_ENDPOINT and the other variables of
huggingface_hub are honoured.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from personaplex_ros.checkpoint.download import PUBLISHED, download
from personaplex_ros.checkpoint.hub import Repository


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "to", nargs="?", type=Path, metavar="FOLDER", help="where to put the files (default: a "
        "folder with the repository's name, here)",
    )  # fmt: skip
    parser.add_argument("--repo", default=PUBLISHED, help="repository (default: %(default)s)")
    parser.add_argument(
        "--revision", default="main", help="branch, tag or commit (default: %(default)s)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Fetch, check, and say how to go on."""
    folder = (arguments.to or Path(arguments.repo.rsplit("/", 1)[-1])).expanduser()
    try:
        files = download(Repository(arguments.repo, arguments.revision), folder)
    except KeyboardInterrupt:
        print("\nstopped; run the command again to continue")
        return 130
    print(f"{files.directory} is complete; use it with --checkpoint {files.directory}")
    return 0
