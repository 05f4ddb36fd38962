"""The aims of benchmarks/turn_latency.py, at small size, and its own arithmetic."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
from benchmark_support import load_benchmark

from personaplex_ros.turns import TurnEvent

pytestmark = pytest.mark.alone


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    return load_benchmark("turn_latency")


@pytest.fixture(scope="module")
def silero(benchmark):
    return benchmark.Listener("silero", 30.0)


def test_starts_and_interruptions_are_suspected_soon(benchmark, silero):
    for row in benchmark.latencies({"silero": silero}, 24, seed=3):
        if row["state"] == "suspected":
            assert row["missed"] == 0
            assert row["median_s"] <= 0.120
            assert row["p99_s"] <= 0.240  # of 24 this is the slowest


def test_noise_coughs_and_soft_echo_interrupt_nobody(benchmark, silero):
    sounds = benchmark.disturbances(5)
    for name in ("noise, -6 dB", "coughs, 0 dB", "echo, -40 dB"):
        scene = benchmark.disturbed_scene(sounds[name], 10.0, 5)
        events, held_s = silero.follow(scene)
        assert {"robot_started"} <= {event.kind for event in events}
        assert not [event for event in events if event.kind == "interruption"], name
        assert held_s == 0.0


def test_latency_counts_from_the_truth_and_not_from_what_came_before(benchmark):
    def event(onset_s: float, decided_s: float) -> TurnEvent:
        ns = (round(onset_s * 1e9), round(decided_s * 1e9))
        return TurnEvent("interruption", *ns, 1.0, state="suspected")

    events = [event(0.5, 0.6), event(1.02, 1.16)]
    late = benchmark.first_latency(events, "interruption", "suspected", 1.0)
    assert late == pytest.approx(0.16)
    assert benchmark.first_latency(events, "interruption", "confirmed", 1.0) == float("inf")


def test_the_callers_onset_is_where_its_sound_begins(benchmark):
    scene = benchmark.caller_scene(np.random.default_rng(0), 40.0, over_robot=False)
    first = round(scene.onset_s * benchmark.RATE)
    noise = np.abs(scene.user[: first - 1]).max()
    assert np.abs(scene.user[first : first + 480]).max() > 2.0 * noise
    assert len(scene.user) == len(scene.robot) and len(scene.user) % benchmark.FRAME == 0
