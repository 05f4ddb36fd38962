"""Runs ``personaplex download`` in processes of their own, against a hub on this machine.

huggingface_hub reads its variables once, at import: so it must not be imported here. What takes
long to import and does not read them is imported before, once for all.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
from multiprocessing.process import BaseProcess
from pathlib import Path

from hub_server import Hub

REPOSITORY = "someone/small"
FRESH = multiprocessing.get_context("forkserver")
FRESH.set_forkserver_preload(["personaplex_ros.checkpoint"])


def command(options: list[str], environment: dict[str, str], output: Path, errors: Path) -> None:
    """Be the command: exit status 2 and one error for what the user can mend."""
    os.environ.clear()
    os.environ.update(environment)
    with open(output, "w") as sys.stdout, open(errors, "w") as sys.stderr:
        from personaplex_ros.cli.download import add_arguments, run

        parser = argparse.ArgumentParser()
        add_arguments(parser)
        try:
            status = run(parser.parse_args(options))
        except (ValueError, FileNotFoundError, RuntimeError) as error:
            print(f"error: {error}", file=sys.stderr)
            status = 2
    os._exit(status)


class Client:
    """Runs the command in a process of its own, with nothing of this machine's hub settings."""

    def __init__(self, hub: Hub, home: Path):
        self.folder = home / "checkpoint"
        self.output, self.errors = home / "output", home / "errors"
        kept = {k: v for k, v in os.environ.items() if not k.upper().startswith(("HF_", "HUGGING"))}
        self.environment = {
            **kept,
            "HF_ENDPOINT": hub.endpoint,
            "HF_HOME": str(home / "hub"),
            "NO_PROXY": "127.0.0.1,localhost",
        }

    def start(self, *options: str) -> BaseProcess:
        """Start the command and return at once."""
        arguments = [str(self.folder), "--repo", REPOSITORY, *options]
        child = FRESH.Process(
            target=command, args=(arguments, self.environment, self.output, self.errors)
        )
        child.start()
        return child

    def run(self, *options: str) -> tuple[int | None, str, str]:
        """Run the command; returns exit status, output and errors."""
        child = self.start(*options)
        child.join(60)
        child.kill()
        return child.exitcode, self.output.read_text(), self.errors.read_text()

    def refused(self, *options: str) -> str:
        """Run, expect one error and nothing that looks finished, and return its text."""
        status, _, err = self.run(*options)
        assert status == 2, err
        assert "Traceback" not in err
        return err.partition("error: ")[2]
