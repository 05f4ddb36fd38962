"""The buffer before a loudspeaker: order, bounds and counts."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from personaplex_ros.audio import PlaybackBuffer, PlaybackCounters


def ramp(first: int, count: int) -> np.ndarray:
    return np.arange(first, first + count, dtype=np.float32)


def test_samples_come_out_in_order_around_the_end_of_the_ring():
    buffer = PlaybackBuffer(capacity=10, start_level=1)
    heard = []
    for first in range(0, 70, 7):
        buffer.write(ramp(first, 7))
        heard.append(buffer.read(7))
    assert np.array_equal(np.concatenate(heard), ramp(0, 70))
    assert buffer.snapshot() == PlaybackCounters()


def test_playing_waits_for_the_start_level_and_silence_before_is_not_counted():
    buffer = PlaybackBuffer(capacity=100, start_level=20)
    buffer.write(ramp(1, 10))
    assert not buffer.read(5).any()
    buffer.write(ramp(11, 10))
    assert np.array_equal(buffer.read(5), ramp(1, 5))
    assert buffer.snapshot() == PlaybackCounters()


def test_running_dry_counts_once_and_gathers_again():
    buffer = PlaybackBuffer(capacity=100, start_level=20)
    buffer.write(ramp(1, 20))
    assert np.array_equal(buffer.read(25), np.concatenate([ramp(1, 20), np.zeros(5)]))
    buffer.write(ramp(21, 10))
    assert not buffer.read(10).any()
    assert buffer.snapshot() == PlaybackCounters(underruns=1, silent_samples=15)
    buffer.write(ramp(31, 10))
    assert np.array_equal(buffer.read(20), ramp(21, 20))
    assert buffer.snapshot().underruns == 1


def test_a_full_buffer_drops_the_oldest():
    buffer = PlaybackBuffer(capacity=10, start_level=1)
    buffer.write(ramp(0, 8))
    buffer.write(ramp(8, 5))
    assert buffer.level == 10
    assert np.array_equal(buffer.read(10), ramp(3, 10))
    buffer.write(ramp(0, 25))
    assert np.array_equal(buffer.read(10), ramp(15, 10))
    assert buffer.snapshot() == PlaybackCounters(overflow_samples=3 + 15)


def test_clearing_falls_silent_without_an_underrun():
    buffer = PlaybackBuffer(capacity=100, start_level=1)
    buffer.write(ramp(1, 50))
    buffer.read(10)
    buffer.clear()
    assert not buffer.read(10).any()
    assert buffer.snapshot() == PlaybackCounters()


def test_two_threads_lose_nothing():
    buffer = PlaybackBuffer(capacity=200_000, start_level=1)
    writer = threading.Thread(
        target=lambda: [buffer.write(ramp(first, 100)) for first in range(1, 100_001, 100)]
    )
    writer.start()
    heard = []
    while writer.is_alive() or buffer.level:
        heard.append(buffer.read(64))
    played = np.concatenate(heard)
    assert np.array_equal(played[played > 0], ramp(1, 100_000))


def test_impossible_levels_are_refused():
    with pytest.raises(ValueError, match="start_level"):
        PlaybackBuffer(capacity=10, start_level=11)
