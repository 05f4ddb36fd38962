"""The server as a process, on the bundled model, asked by a client that others wrote."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from personaplex_ros.audio import read_wave
from personaplex_ros.resources import share_directory

pytestmark = pytest.mark.alone

CALLER = share_directory() / "config" / "demo" / "caller.wav"
QUESTION_S = 9.0
"""The caller's first question, on which floor the meeting room is, and time for the answer."""
CLIENT = Path(__file__).parent / "moshi_client_peer.py"


@contextmanager
def serving(*words: str) -> Iterator[str]:
    """Run `personaplex serve`; gives where it listens, and expects that it ends in order."""
    command = [sys.executable, "-m", "personaplex_ros", "serve", "--port", "0", "--greedy"]
    child = subprocess.Popen([*command, *words], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    try:
        line = child.stdout.readline()
        assert line.startswith("listening at "), line
        yield line.split()[2].removesuffix("/api/chat,")
    finally:
        child.terminate()
        assert child.wait(20) == 0


def test_the_client_of_moshi_gets_the_right_answer(tmp_path: Path) -> None:
    answer = tmp_path / "answer.wav"
    with serving("--sessions", "1") as url:
        client = [sys.executable, CLIENT, url, CALLER, str(QUESTION_S), answer]
        done = subprocess.run(client, capture_output=True, text=True, timeout=60, check=True)
    assert "second floor" in done.stdout, done
    played = read_wave(answer).samples
    assert np.abs(played).max() > 0.05
