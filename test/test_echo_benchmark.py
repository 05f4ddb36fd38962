"""benchmarks/echo.py at small size: its own arithmetic, and the goals in one room."""

from __future__ import annotations

import argparse

import numpy as np
import pytest
from benchmark_support import load_benchmark


@pytest.fixture(scope="module")
def benchmark():
    for module in ("pyroomacoustics", "hibari", "livekit"):
        pytest.importorskip(module)
    return load_benchmark("echo")


def test_the_echo_is_as_loud_and_as_late_as_the_room_says(benchmark):
    robot = benchmark.talk(4.0, (0.2, 0.3), np.random.default_rng(0))
    room = benchmark.Room(0.2, 0.1, 0.0, 6.0)
    acoustics = benchmark.Acoustics(0.2)
    echo = benchmark.echo_of(robot, room, acoustics, 0.05)
    sounding_rms = load_benchmark("echo_rooms").sounding_rms
    assert sounding_rms(echo) == pytest.approx(0.05 * 10 ** (6 / 20), rel=1e-3)
    size = 2 * len(robot)
    product = np.fft.rfft(echo, size) * np.conj(np.fft.rfft(robot, size))
    late_s = np.argmax(np.fft.irfft(product, size)[: benchmark.RATE]) / benchmark.RATE
    assert late_s == pytest.approx(0.1 + acoustics.flight_s, abs=0.001)


@pytest.mark.long
def test_a_room_of_half_a_second_with_and_without_the_canceller(benchmark):
    arguments = argparse.Namespace(
        seed=0, minutes=0.5, persons=4, people=None, rooms=[(0.5, 0.1, 200.0)]
    )
    row = benchmark.in_rooms(arguments, 0.0, True)
    # Of so short a talk the first seconds, in which the drift is not known yet, are a large part.
    assert row["loss_db"]["least"] >= 25.0 and row["model_loss_db"]["least"] >= 25.0
    assert row["confirmed_a_minute"] == 0.0
    assert row["held_share"] <= 0.01
    assert row["persons"] == 4 and row["missed_share"] <= 0.5
    without = benchmark.in_rooms(arguments, 0.0, False)
    assert without["loss_db"]["least"] < 3.0
    columns = benchmark.table([row, without]).splitlines()
    assert len(columns) == 2 + len(benchmark.GOALS)
    assert all(line.count("|") == columns[0].count("|") for line in columns if " |" in line)
    assert columns[0].startswith("| what | goal | echo +0 dB, AEC on")
