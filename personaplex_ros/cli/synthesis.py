"""What `personaplex evaluate --synthetic` needs, whichever suite is synthesised."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from personaplex_ros.cli.arguments.paths import check_folder
from personaplex_ros.optional import require


def check_synthetic(arguments: argparse.Namespace, modules: Sequence[str] = ()) -> None:
    """See that so many can be made in the folder, with what that needs and these modules.

    Raises ValueError, ImportError or OSError saying what is wrong.
    """
    if arguments.synthetic < 1:
        raise ValueError(f"--synthetic {arguments.synthetic}: it must be at least 1")
    for module in ("espeakng_loader", "scipy", *modules):
        require(module)
    check_folder("--data", arguments.data)
