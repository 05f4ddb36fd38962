"""The server on the bundled model, asked by LiveKit's client of PersonaPlex."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from reference import ROOT
from server_support import serving

from personaplex_ros.resources import share_directory

pytestmark = [pytest.mark.long, pytest.mark.alone]

CALLER = share_directory() / "config" / "demo" / "caller.wav"
CLIENT = Path(__file__).parent / "livekit_client_peer.py"
PYTHON = ROOT / ".venv" / "livekit" / "bin" / "python"
QUESTION_S = "9"


@pytest.mark.skipif(not PYTHON.exists(), reason="scripts/test_with_livekit.sh has not been run")
def test_the_client_of_livekit_gets_the_right_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERSONAPLEX_TOKENS", "one another")
    with serving("--sessions", "1") as (url, server):
        words = [PYTHON, CLIENT, url, CALLER, QUESTION_S, "another"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=90, check=True)
        server.terminate()
    assert "second floor" in done.stdout, done
    found = re.search(r"frames: (\d+), loud: (\d+), errors: \[\]", done.stdout)
    assert found is not None and int(found[1]) > 90 and int(found[2]) > 10
