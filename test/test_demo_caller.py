"""The demo's recorded caller: its form, its level, and its truth about where the speech is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyloudnorm
import pytest
import soundfile

ROOT = Path(__file__).resolve().parent.parent
WAVE = ROOT / "config" / "demo" / "caller.wav"
TRUTH = ROOT / "config" / "demo" / "caller.json"


def read_caller() -> tuple[np.ndarray, int, list[dict]]:
    samples, rate = soundfile.read(WAVE, dtype="float64")
    return samples, rate, json.loads(TRUTH.read_text())


def rms_db(samples: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(samples**2) + 1e-20))


def test_caller_has_the_form_a_microphone_topic_expects():
    info = soundfile.info(WAVE)
    assert (info.samplerate, info.channels, info.subtype) == (24_000, 1, "PCM_16")
    assert 20.0 <= info.duration <= 25.0
    assert WAVE.stat().st_size < 1_300_000


def test_caller_is_as_loud_as_a_voice_prompt_and_does_not_clip():
    samples, rate, _ = read_caller()
    assert pyloudnorm.Meter(rate).integrated_loudness(samples) == pytest.approx(-24.0, abs=0.5)
    assert np.abs(samples).max() < 0.99


def test_caller_lies_in_a_quiet_room_rather_than_in_digital_silence():
    samples, _, _ = read_caller()
    windows = samples[: samples.size // 480 * 480].reshape(-1, 480)  # 20 ms
    levels = np.array([rms_db(window) for window in windows])
    assert levels.min() > -80.0
    assert np.percentile(levels, 20) < -55.0


def test_truth_says_where_the_speech_is():
    samples, rate, turns = read_caller()
    times = [(turn["start_s"], turn["end_s"]) for turn in turns]
    flat = [t for span in times for t in span]
    assert flat == sorted(flat)
    assert flat[0] > 0.0 and flat[-1] < samples.size / rate
    silence = np.ones(samples.size, dtype=bool)
    for start, end in times:
        spoken = samples[round(start * rate) : round(end * rate)]
        assert rms_db(spoken) > -35.0
        # The edges are tight: speech is heard within 100 ms inside of each.
        assert rms_db(spoken[: rate // 10]) > -45.0
        assert rms_db(spoken[-rate // 10 :]) > -50.0
        silence[round(start * rate) : round((end + 0.4) * rate)] = False  # the room's tail
    assert rms_db(samples[silence]) < -58.0


def test_caller_asks_interrupts_acknowledges_and_leaves():
    _, _, turns = read_caller()
    kinds = [turn["kind"] for turn in turns]
    assert kinds == ["question", "backchannel", "question", "interruption", "goodbye"]
    lengths = {turn["kind"]: turn["end_s"] - turn["start_s"] for turn in turns}
    assert lengths["backchannel"] < 0.8 < lengths["interruption"]
    assert all(turn["text"].strip() for turn in turns)


def test_script_makes_the_same_caller_again(tmp_path):
    script = ROOT / "scripts" / "make_caller.py"
    subprocess.run([sys.executable, str(script), "--output", str(tmp_path)], check=True)
    made = json.loads((tmp_path / "caller.json").read_text())
    _, _, turns = read_caller()
    assert [turn["text"] for turn in made] == [turn["text"] for turn in turns]
    for ours, theirs in zip(made, turns, strict=True):
        assert ours["start_s"] == theirs["start_s"]
        assert ours["end_s"] == pytest.approx(theirs["end_s"], abs=0.02)
