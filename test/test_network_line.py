"""Real packets over a line that delays, loses and reorders them, from one network namespace."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from personaplex_ros.audio import write_wave

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
RATE = 24_000

pytestmark = [pytest.mark.long, pytest.mark.alone]


@pytest.fixture
def network(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import network
    import network_line

    if problem := network_line.why_not():
        pytest.skip(problem)
    yield network
    for name in ("network", "network_ends", "network_line"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("reliability", ["best_effort", "reliable"])
def test_over_a_bad_line_every_sample_is_heard_or_filled(network, tmp_path, reliability):
    speech = np.random.default_rng(0).uniform(-0.5, 0.5, 6 * RATE).astype(np.float32)
    wave = tmp_path / "speech.wav"
    write_wave(wave, speech, RATE)
    quality = network.LineQuality(delay_s=0.05, jitter_s=0.03, loss=0.05)
    arrivals = network.arrived(quality, reliability, wave, seed=1)
    track, _, joiner = network.replay(arrivals, network.IntakeLimits(conceal=False))
    counters = joiner.counters
    first = arrivals[0][1].first_sample
    assert first is not None
    expected = network.caller(wave)[first : first + len(track)]
    heard = track != 0
    assert np.allclose(track[heard], expected[heard], atol=1e-4)
    assert counters.restarts == 0
    assert np.count_nonzero(~heard) <= counters.gap_samples + 20
    if reliability == "reliable":
        assert len(track) == len(speech) and counters.gaps == 0
    else:
        assert counters.gaps > 0
