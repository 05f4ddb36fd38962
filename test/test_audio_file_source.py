"""A wave file played as if it were a microphone."""

from __future__ import annotations

import time

import numpy as np
import pytest

from personaplex_ros.audio import WaveFileSource, int16_to_float32, write_wave


def record(tmp_path, seconds: float, stop_after_s: float | None = None):
    pcm = np.random.default_rng(0).integers(-9_000, 9_000, round(16_000 * seconds), dtype=np.int16)
    write_wave(tmp_path / "voice.wav", int16_to_float32(pcm), 16_000)
    got = []
    source = WaveFileSource(
        lambda chunk: got.append((time.time_ns(), chunk)), tmp_path / "voice.wav", block_s=0.03
    )
    begin = time.time_ns()
    source.start()
    source.finished.wait(stop_after_s or 10.0)
    source.stop()
    return pcm, got, begin


@pytest.mark.alone
def test_every_sample_comes_once_at_its_time(tmp_path):
    pcm, got, begin = record(tmp_path, 0.5)
    chunks = [chunk for _, chunk in got]
    assert np.array_equal(np.concatenate([chunk.samples for chunk in chunks]), pcm)
    assert [chunk.first_sample for chunk in chunks] == list(range(0, 8_000, 480))
    for arrival_ns, chunk in got:
        end_ns = chunk.stamp_ns + chunk.duration_ns
        assert chunk.stamp_ns - begin == pytest.approx(chunk.first_sample / 16_000e-9, abs=50e6)
        assert -1e6 < arrival_ns - end_ns < 200e6


def test_stopping_ends_it_at_once(tmp_path):
    _, got, begin = record(tmp_path, 5.0, stop_after_s=0.2)
    count = len(got)
    assert 0 < count < 40
    assert time.time_ns() - begin < 2e9
    time.sleep(0.1)
    assert len(got) == count


def test_a_missing_file_is_told_before_anything_starts(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"voice\.wav"):
        WaveFileSource(lambda chunk: None, tmp_path / "voice.wav")
