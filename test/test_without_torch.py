"""A robot whose model runs elsewhere has no torch: what it runs of the node does without."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from dds_support import loopback, wait_until
from moshi_server import FRAME, moshi_server

ROOT = Path(__file__).parent.parent
NO_TORCH = """
import sys

class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "triton", "transformers", "matplotlib"):
            raise ModuleNotFoundError(f"there is no {name} here", name=name)

sys.meta_path.insert(0, NoTorch())
"""
"""matplotlib draws timelines, which is no matter of a node."""


def without_torch(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", NO_TORCH + code], cwd=ROOT, capture_output=True, text=True
    )


def test_here_is_no_torch() -> None:
    assert "there is no torch here" in without_torch("import personaplex_ros.engine").stderr


def test_the_node_is_imported() -> None:
    code = """
import personaplex_ros.node.bare.host, personaplex_ros.node.dds.bus, personaplex_ros.cli.node
import personaplex_ros.node.zenoh.bus
"""
    outcome = without_torch(code)
    assert outcome.returncode == 0, outcome.stderr


def test_turns_are_followed() -> None:
    code = """
import numpy as np
from personaplex_ros.audio import read_wave, resample, to_mono
from personaplex_ros.turns import TurnMonitor

wave = read_wave("config/demo/caller.wav")
samples = resample(to_mono(wave.samples), wave.rate, 24_000).astype(np.float32)
monitor, silence = TurnMonitor(24_000, 1_920), np.zeros(1_920, np.float32)
for number in range(60):
    frame = samples[number * 1_920 : (number + 1) * 1_920]
    for event in monitor.push(frame, silence, "", number * 80_000_000).events:
        print(event.kind)
"""
    outcome = without_torch(code)
    assert "user_started" in outcome.stdout, outcome.stderr


@pytest.mark.parametrize("words", [["offline"], ["node", "--ros-args", "-p", "checkpoint:=nano"]])
def test_what_needs_a_model_here_says_what_is_missing(words: list[str]) -> None:
    code = f"from personaplex_ros.cli import main\nsys.exit(main({words}))"
    outcome = without_torch(code)
    assert outcome.returncode and "Traceback" not in outcome.stderr, outcome.stderr
    assert "torch cannot be imported" in outcome.stderr


def test_a_node_talks_with_a_model_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loopback(monkeypatch)
    answer = tmp_path / "answer.wav"
    with moshi_server() as server:
        words = ["node", "--ros-args"]
        for value in (
            f"engine:={server.address}",
            f"audio_source:=file:{ROOT / 'config' / 'demo' / 'caller.wav'}",
            f"audio_sink:=file:{answer}",
            "echo_cancellation:=off",
        ):
            words += ["-p", value]
        code = f"{NO_TORCH}\nfrom personaplex_ros.cli import main\nsys.exit(main({words}))"
        node = subprocess.Popen(
            [sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.PIPE, text=True
        )
        try:
            wait_until(lambda: bool(server.visits) and server.visits[0].frames > 40, 40.0)
        finally:
            node.send_signal(signal.SIGTERM)
            _, errors = node.communicate(timeout=20)
        assert node.returncode == 0, errors
    samples, _ = soundfile.read(answer)
    assert len(samples) > 30 * FRAME and np.abs(samples).max() > 0.05
