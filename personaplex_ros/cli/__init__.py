"""The ``personaplex`` command: one file a subcommand."""

from personaplex_ros.cli.main import main

__all__ = ["main"]
