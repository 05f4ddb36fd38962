"""Speech for a loudspeaker whose clock is not the writer's."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.audio.network.lateness import Lateness
from personaplex_ros.audio.playback import PlaybackBuffer, PlaybackCounters
from personaplex_ros.audio.resample import PacedResampler

from .follower import ClockFollower
from .quiet import is_quiet, stretched

SPARE_S = 0.06
"""What is to wait when the latest speech comes; less runs dry at every hiccup."""
TOLERANCE_S = 0.05
"""How far the delay may be from what is wanted before pauses are made shorter or longer."""
FADE_S = 0.01
GLIDE, GLIDE_S = 3e-4, 120.0
"""Largest change of pace, and time, in which the delay comes to what is wanted without a pause."""


class SpeechPlayback:
    """Takes speech by one clock, `write`, and gives it by another, `read`, with an even delay.

    rate: of what is written. card_rate: of what is read. buffer_s: the most that may wait.
    start_s: what has to wait before playing starts. delay_max_s: bound of the delay that an
    irregular line may get. clock: seconds, the same for writer and reader.

    The clocks are followed by resampling, within 0.1 %. As much waits as the writer's irregularity
    asks for, and no more for long: what a stall added to the delay is taken back in the next
    pauses. A stall is bridged as `PlaybackBuffer` says.
    """

    def __init__(
        self,
        rate: int,
        card_rate: int,
        *,
        buffer_s: float = 1.0,
        start_s: float = 0.1,
        delay_max_s: float = 0.4,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate = rate
        self._card_rate = card_rate
        self._delay_max_s = delay_max_s
        self._clock = clock
        self._resampler = PacedResampler(rate, card_rate)
        self._buffer = PlaybackBuffer(
            round(buffer_s * card_rate), round(start_s * card_rate), card_rate
        )
        self._follower = ClockFollower()
        self._lateness = Lateness(delay_max_s)
        self._wanted_s: float | None = None
        self._written = 0
        self._skipped = self._stretched = 0
        self._spare_s = 0.0
        self._last_read: tuple[float, int] | None = None
        self._lock = threading.Lock()

    def write(self, samples: NDArray[np.float32]) -> None:
        """Append speech, float32 [n] at `rate`; never blocks."""
        now_s = self._clock()
        with self._lock:
            late_s = self._lateness.push(self._written / self._rate, now_s)
            self._written += len(samples)
            self._spare_s = self._spare(now_s)
            if not self._buffer.playing:
                self._wanted_s = None
            elif late_s is not None:
                samples = self._regulate(samples, self._spare_s + late_s)
            self._buffer.write(self._resampler.push(samples))

    def read(self, count: int) -> NDArray[np.float32]:
        """Return the next `count` samples at `card_rate`, float32 [count]."""
        result = self._buffer.read(count)
        self._last_read = self._clock(), count
        return result

    def clear(self) -> None:
        """Fall silent at once: drop what waits. What was learnt of clocks and line stays."""
        with self._lock:
            self._resampler.reset()
            self._buffer.clear()

    @property
    def level_s(self) -> float:
        """Seconds of speech that wait."""
        return self._buffer.level / self._card_rate

    def snapshot(self) -> PlaybackCounters:
        """Return a copy of the counters."""
        scale = self._card_rate / self._rate
        return replace(
            self._buffer.snapshot(),
            skipped_samples=round(self._skipped * scale),
            stretched_samples=round(self._stretched * scale),
            drift_ppm=1e6 * self._follower.drift,
            delay_ms=1e3 * self._spare_s,
        )

    def _spare(self, now_s: float) -> float:
        """Return how long what waits lasts, as if the card took it sample by sample."""
        level_s = self.level_s
        if self._last_read is None:
            return level_s
        read_at_s, count = self._last_read
        return level_s - min(max(0.0, now_s - read_at_s), count / self._card_rate)

    def _regulate(self, samples: NDArray[np.float32], spare_s: float) -> NDArray[np.float32]:
        """Steer towards what should wait; `spare_s` is what would, had nothing been late."""
        length = len(samples)
        ideal_s = min(SPARE_S + self._lateness.spread_s, self._delay_max_s)
        if abs(spare_s - ideal_s) > TOLERANCE_S and is_quiet(samples):
            more = round((ideal_s - spare_s) * self._rate)
            samples = stretched(samples, more, round(FADE_S * self._rate))
            more = len(samples) - length
            self._stretched += max(0, more)
            self._skipped += max(0, -more)
            spare_s += more / self._rate
            self._wanted_s = None
        if self._wanted_s is None:
            self._wanted_s = spare_s
            self._follower.lose()
        elapsed_s = length / self._rate
        glide = min(max((ideal_s - self._wanted_s) / GLIDE_S, -GLIDE), GLIDE)
        self._wanted_s += glide * elapsed_s
        pace = self._follower.follow(spare_s - self._wanted_s, elapsed_s)
        self._resampler.pace = pace + glide
        return samples
