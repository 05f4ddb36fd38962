"""Runs ``personaplex`` in processes of their own, against a hub on this machine.

huggingface_hub reads its variables once, at import: so it must not be imported here. What takes
long to import and does not read them is imported before, once for all.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import traceback
from multiprocessing.process import BaseProcess
from pathlib import Path

from hub_server import Hub

REPOSITORY = "someone/small"
FRESH = multiprocessing.get_context("forkserver")
FRESH.set_forkserver_preload(["personaplex_ros.checkpoint"])


def command(
    words: tuple[str, ...], environment: dict[str, str], output: Path, errors: Path
) -> None:
    """Be one command: exit status 2 and one error for what the user can mend."""
    os.environ.clear()
    os.environ.update(environment)
    with open(output, "w") as sys.stdout, open(errors, "w") as sys.stderr:
        try:
            status = _act(words)
        except Exception:
            traceback.print_exc()
            status = 1
    os._exit(status)


def _act(words: tuple[str, ...]) -> int:
    if words[0] == "cached":
        from personaplex_ros.checkpoint.download import cached_checkpoint

        print(cached_checkpoint(words[1]))
        return 0
    from personaplex_ros.cli import main

    return main(words)


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
        """Start a download and return at once."""
        return self._start("download", str(self.folder), "--repo", REPOSITORY, *options)

    def run(self, *options: str) -> tuple[int | None, str, str]:
        """Run a download; returns exit status, output and errors."""
        return self._end(self.start(*options))

    def cached(self) -> tuple[int | None, str, str]:
        """Name the repository for use; prints the folder, returns as ``run`` does."""
        return self._end(self._start("cached", REPOSITORY))

    def refused(self, *options: str) -> str:
        """Run, expect one error and nothing that looks finished, and return its text."""
        status, _, err = self.run(*options)
        assert status == 2, err
        assert "Traceback" not in err
        return err.partition("error: ")[2]

    def _start(self, *words: str) -> BaseProcess:
        child = FRESH.Process(
            target=command, args=(words, self.environment, self.output, self.errors)
        )
        child.start()
        return child

    def _end(self, child: BaseProcess) -> tuple[int | None, str, str]:
        child.join(60)
        child.kill()
        return child.exitcode, self.output.read_text(), self.errors.read_text()
