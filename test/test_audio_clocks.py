"""Loudspeakers whose clock is not the speech's: no gap, no growing delay, a sine stays a sine."""

from __future__ import annotations

import heapq

import numpy as np
import pytest

from personaplex_ros.audio import SpeechPlayback
from personaplex_ros.audio.clocks.quiet import stretched
from personaplex_ros.audio.network.lateness import Lateness

RATE = 24_000
FRAME_S = 0.08
TONE_HZ = 997.0  # whole periods in a second


class Playing:
    """A writer and a sound card, each by a clock of its own, in simulated time."""

    def __init__(self, rate: int = RATE, card_rate: int = RATE, *, ppm: float = 0.0) -> None:
        self.now_s = 0.0
        self.card_rate = card_rate
        self.playback = SpeechPlayback(rate, card_rate, clock=lambda: self.now_s)
        self.frame = round(FRAME_S * rate)
        seconds = np.arange(2 * rate) / rate
        self.tone = (0.5 * np.sin(2 * np.pi * TONE_HZ * seconds)).astype(np.float32)
        self.rate = rate
        self.block = round(0.02 * card_rate)
        self.block_s = 0.02 / (1 + 1e-6 * ppm)
        self.written = self.reads = 0
        self.rng = np.random.default_rng(3)
        self.waits: list[float] = []
        self.heard: list[np.ndarray] = []

    def run(self, seconds: float, *, jitter_s=0.005, held_up=None, silent=False, keep_s=1e9):
        """Go on for a time; frames come up to `jitter_s` late, not before the end of `held_up`."""
        end_s = self.now_s + seconds
        events = [(self._frame_at(jitter_s, held_up), 0), (self.reads * self.block_s, 1)]
        heapq.heapify(events)
        while events[0][0] < end_s:
            self.now_s, kind = events[0]
            if kind == 0:
                place = self.written * self.frame % self.rate
                sound = self.tone[place : place + self.frame]
                self.playback.write(sound * 0 if silent else sound)
                self.written += 1
                heapq.heapreplace(events, (self._frame_at(jitter_s, held_up), 0))
            else:
                block = self.playback.read(self.block)
                self.reads += 1
                heapq.heapreplace(events, (self.reads * self.block_s, 1))
                if self.now_s > end_s - keep_s:
                    self.heard.append(block)
                if self.reads % 50 == 0:
                    self.waits.append(self.playback.level_s)
        return self

    def _frame_at(self, jitter_s, held_up) -> float:
        at_s = (self.written + 1) * FRAME_S + self.rng.uniform(0, jitter_s)
        if held_up is not None and held_up[0] <= at_s < held_up[1]:
            return held_up[1]
        return max(at_s, self.now_s)


def spurs_db(samples: np.ndarray) -> float:
    """Return the strongest that is not the tone, relative to it, from 6 bins beside it on."""
    power = np.abs(np.fft.rfft(samples * np.kaiser(len(samples), 14)))
    peak = int(power.argmax())
    strength = power[peak]
    power[max(0, peak - 5) : peak + 6] = 0.0
    return float(20 * np.log10(power.max() / strength))


@pytest.mark.parametrize("ppm", [700.0, -700.0])
@pytest.mark.parametrize("card_rate", [24_000, 44_100])
def test_another_clock_makes_no_gap_no_delay_and_no_spur(ppm, card_rate):
    playing = Playing(card_rate=card_rate, ppm=ppm).run(250.0, keep_s=10.0)
    counters = playing.playback.snapshot()
    assert (counters.underruns, counters.overflow_samples) == (0, 0)
    assert (counters.skipped_samples, counters.stretched_samples) == (0, 0)
    assert counters.drift_ppm == pytest.approx(ppm, rel=0.15)
    assert max(playing.waits[-40:]) < 0.19  # a frame of 80 ms, and what is kept for late ones
    sound = np.concatenate(playing.heard)
    assert np.abs(sound).max() == pytest.approx(0.5, rel=0.01)
    assert spurs_db(sound[-4 * card_rate :]) < -60


@pytest.mark.long
@pytest.mark.parametrize("ppm", [200.0, -200.0])
def test_a_day_of_another_clock(ppm):
    playing = Playing(8_000, 8_000, ppm=ppm)
    playing.run(600.0, keep_s=0.0)
    for _ in range(24):
        playing.waits.clear()
        playing.run(3_600.0, keep_s=0.0)
        assert max(playing.waits) < 0.19
    playing.run(20.0)
    counters = playing.playback.snapshot()
    assert (counters.underruns, counters.silent_samples, counters.overflow_samples) == (0, 0, 0)
    assert (counters.skipped_samples, counters.stretched_samples) == (0, 0)
    assert counters.drift_ppm == pytest.approx(ppm, abs=2.0)
    assert spurs_db(np.concatenate(playing.heard)[-8 * 8_000 :]) < -60


def test_the_size_of_the_cards_blocks_is_no_drift():
    playing = Playing()
    playing.block, playing.block_s = 2_400, 0.1
    playing.run(120.0, keep_s=0.0)
    counters = playing.playback.snapshot()
    assert counters.underruns == 0 and abs(counters.drift_ppm) < 60


def test_what_a_stall_adds_to_the_delay_is_taken_back_in_a_pause():
    playing = Playing().run(10.0, keep_s=0.0)
    before_s = max(playing.waits[-5:])
    stalls = 3
    for _ in range(stalls):
        begin_s = playing.now_s + 1.0
        playing.run(3.0, held_up=(begin_s, begin_s + 0.6), keep_s=0.0)
    assert min(playing.waits[-2:]) > before_s + 0.3  # nothing of what was said is lost
    assert playing.playback.snapshot().overflow_samples < stalls * 0.2 * RATE
    playing.waits.clear()
    playing.run(4.0, silent=True, keep_s=0.0)
    playing.run(4.0, keep_s=3.0)
    assert max(playing.waits[-3:]) < before_s + 0.06
    counters = playing.playback.snapshot()
    assert counters.underruns == stalls
    assert counters.skipped_samples > 0.3 * RATE
    assert spurs_db(np.concatenate(playing.heard)[-2 * RATE :]) < -60


def test_a_line_that_becomes_irregular_gets_the_delay_that_it_needs_in_a_pause():
    playing = Playing().run(20.0, keep_s=0.0)
    quiet_s = max(playing.waits[-5:])
    playing.run(20.0, jitter_s=0.07, silent=True, keep_s=0.0)
    underruns = playing.playback.snapshot().underruns
    playing.run(30.0, jitter_s=0.07, keep_s=0.0)
    assert playing.playback.snapshot().underruns == underruns
    assert quiet_s + 0.03 < max(playing.waits[-5:]) < quiet_s + 0.2
    assert playing.playback.snapshot().stretched_samples > 0
    playing.run(60.0, silent=True, keep_s=0.0)
    assert max(playing.waits[-5:]) < quiet_s + 0.06


def test_speech_is_heard_again_after_it_was_cleared():
    playing = Playing().run(5.0)
    playing.playback.clear()
    assert playing.playback.level_s == 0.0
    playing.heard.clear()
    playing.run(3.0)
    assert np.abs(np.concatenate(playing.heard)[-RATE:]).max() == pytest.approx(0.5, rel=0.02)
    assert playing.playback.snapshot().underruns == 0


@pytest.mark.parametrize("more", [-1_500, -100, 0, 1, 100, 1_500])
def test_a_pause_is_made_longer_and_shorter_without_a_step(more):
    pause = (1e-3 * np.sin(np.arange(1_920) / 40)).astype(np.float32)
    result = stretched(pause, more, 200)
    assert len(result) == len(pause) + more
    assert np.array_equal(result[:50], pause[:50]) and np.array_equal(result[-50:], pause[-50:])
    assert np.abs(np.diff(result)).max() < 2 * np.abs(np.diff(pause)).max()


def test_lateness_is_counted_from_the_earliest_whatever_the_clocks_say():
    lateness = Lateness(1.0)
    rng = np.random.default_rng(0)
    late = [
        lateness.push(k * 0.02, 1e6 + k * 0.02 * 1.0002 + rng.uniform(0, 0.03))
        for k in range(5_000)
    ]
    assert 0.028 < lateness.spread_s < 0.036
    assert max(late[-500:]) < 0.036
    assert lateness.push(100.0, 1e6 + 105.0) is None  # a stall is no jitter
    for k in range(60):  # unless it stays
        late = lateness.push(100.02 + k * 0.02, 1e6 + 105.0 + k * 0.02)
    assert late == pytest.approx(0.0, abs=1e-6) and lateness.spread_s < 1e-6
