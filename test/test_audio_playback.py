"""The buffer before a loudspeaker: order, bounds and counts."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from personaplex_ros.audio import PlaybackBuffer, PlaybackCounters

RATE = 24_000


def ramp(first: int, count: int) -> np.ndarray:
    return np.arange(first, first + count, dtype=np.float32)


def test_samples_come_out_in_order_around_the_end_of_the_ring():
    buffer = PlaybackBuffer(capacity=10, start_level=1, rate=RATE)
    heard = []
    for first in range(0, 70, 7):
        buffer.write(ramp(first, 7))
        heard.append(buffer.read(7))
    assert np.array_equal(np.concatenate(heard), ramp(0, 70))
    assert buffer.snapshot() == PlaybackCounters()


def test_playing_waits_for_the_start_level_and_silence_before_is_not_counted():
    buffer = PlaybackBuffer(capacity=100, start_level=20, rate=RATE)
    buffer.write(ramp(1, 10))
    assert not buffer.read(5).any()
    buffer.write(ramp(11, 10))
    assert np.array_equal(buffer.read(5), ramp(1, 5))
    assert buffer.snapshot() == PlaybackCounters()


def test_running_dry_counts_once_and_gathers_again():
    buffer = PlaybackBuffer(capacity=200, start_level=20, rate=RATE)
    buffer.write(ramp(1, 20))
    assert np.array_equal(buffer.read(25), np.concatenate([ramp(1, 20), np.zeros(5)]))
    buffer.write(ramp(21, 10))
    assert not buffer.read(10).any()
    counters = buffer.snapshot()
    assert (counters.underruns, counters.silent_samples) == (1, 15)
    buffer.write(ramp(31, 190))
    assert np.array_equal(buffer.read(200)[120:], ramp(141, 80))  # after a rise from silence
    assert buffer.snapshot().underruns == 1


def tone(first: int, count: int, frequency: float = 200.0) -> np.ndarray:
    angle = 2 * np.pi * frequency * np.arange(first, first + count) / RATE
    return (0.5 * np.sin(angle)).astype(np.float32)


def largest_step(samples: np.ndarray) -> float:
    return float(np.abs(np.diff(samples)).max())


def test_where_it_runs_dry_the_sound_goes_on_and_fades_and_nothing_clicks():
    buffer = PlaybackBuffer(capacity=RATE, start_level=1_000, rate=RATE)
    buffer.write(tone(0, 6_007))  # ends in the middle of a period
    heard = [buffer.read(240) for _ in range(50)]
    buffer.write(tone(6_037, 6_000))  # in another phase than the sound that goes on
    heard += [buffer.read(240) for _ in range(20)]
    sound = np.concatenate(heard)
    assert largest_step(sound) < 1.5 * largest_step(tone(0, 6_000))
    assert np.abs(sound[6_100:6_400]).max() > 0.4  # not silence at once
    assert not sound[6_007 + RATE // 10 : 12_000].any()
    assert np.array_equal(sound[12_120:16_000], tone(6_037, 6_000)[120:4_000])
    counters = buffer.snapshot()
    assert (counters.underruns, counters.concealed_samples) == (1, RATE // 10)
    assert counters.silent_samples == 12_000 - 6_007


def test_a_buffer_that_runs_full_does_not_click():
    buffer = PlaybackBuffer(capacity=4_000, start_level=1_000, rate=RATE)
    buffer.write(tone(0, 4_000))
    heard = [buffer.read(240)]
    buffer.write(tone(4_000, 1_907))
    heard.append(buffer.read(3_000))
    assert buffer.snapshot().overflow_samples == 1_667
    assert largest_step(np.concatenate(heard)) < 1.5 * largest_step(tone(0, 4_000))


def test_a_full_buffer_drops_the_oldest():
    buffer = PlaybackBuffer(capacity=10, start_level=1, rate=RATE)
    buffer.write(ramp(0, 8))
    buffer.write(ramp(8, 5))
    assert buffer.level == 10
    assert np.array_equal(buffer.read(10), ramp(3, 10))
    buffer.clear()
    buffer.write(ramp(0, 25))
    assert np.array_equal(buffer.read(10), ramp(15, 10))
    assert buffer.snapshot() == PlaybackCounters(overflow_samples=3 + 15)


def test_clearing_falls_silent_without_an_underrun():
    buffer = PlaybackBuffer(capacity=100, start_level=1, rate=RATE)
    buffer.write(ramp(1, 50))
    buffer.read(10)
    buffer.clear()
    assert not buffer.read(10).any()
    assert buffer.snapshot() == PlaybackCounters()


def test_two_threads_lose_nothing():
    buffer = PlaybackBuffer(capacity=200_000, start_level=1, rate=RATE)
    writer = threading.Thread(
        target=lambda: [buffer.write(ramp(first, 100)) for first in range(1, 100_001, 100)]
    )
    writer.start()
    heard = []
    while writer.is_alive() or buffer.level:
        heard.append(buffer.read(min(64, buffer.level)))
    assert buffer.snapshot() == PlaybackCounters()
    played = np.concatenate(heard)
    assert np.array_equal(played, ramp(1, 100_000))


def test_impossible_levels_are_refused():
    with pytest.raises(ValueError, match="start_level"):
        PlaybackBuffer(capacity=10, start_level=11, rate=RATE)
