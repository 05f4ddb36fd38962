"""The ``personaplex`` command: one file a subcommand."""

from __future__ import annotations

from collections.abc import Sequence

from personaplex_ros.interruption import Interruption, interruptible


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line, by default that of this process.

    The exit status is 0 for success, 2 for what the user can mend, and 128 + its number for a
    signal that ended the command.
    """

    def program(interruption: Interruption) -> int:
        from personaplex_ros.cli.command_line import run

        return run(words, interruption)

    return interruptible(program, own=words is None)
