"""The server as a process, on the bundled model, asked by a client that others wrote."""

from __future__ import annotations

import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from dds_support import wait_until
from server_support import serving

from personaplex_ros.audio import read_wave
from personaplex_ros.resources import share_directory

pytestmark = pytest.mark.alone

CALLER = share_directory() / "config" / "demo" / "caller.wav"
QUESTION_S = 9.0
"""The caller's first question, on which floor the meeting room is, and time for the answer."""
CLIENT = Path(__file__).parent / "moshi_client_peer.py"


def test_the_client_of_moshi_gets_the_right_answer_also_when_the_server_is_about_to_end(
    tmp_path: Path,
) -> None:
    answer = tmp_path / "answer.wav"
    with serving("--sessions", "1") as (url, server):
        words = [sys.executable, CLIENT, url, CALLER, str(QUESTION_S), answer]
        client = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        ready = url.replace("ws://", "http://") + "/ready"
        wait_until(lambda: status_of(ready) == 503, 60.0)  # its only conversation has begun
        server.terminate()
        said, told = client.communicate(timeout=60)
    assert "second floor" in said, told
    assert np.abs(read_wave(answer).samples).max() > 0.05


def status_of(url: str) -> int:
    """Return the status of a request."""
    try:
        with urllib.request.urlopen(url) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
