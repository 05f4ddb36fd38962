"""The bounded buffer between a producer of speech and the clock of a sound card."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .network.concealment import HISTORY_S, SILENT_S, extend

FADE_S = 0.005
"""Time in which one sound passes into another at a break."""


@dataclass
class PlaybackCounters:
    """What a playback met, in samples of the card's rate except where it says times.

    underruns: times that the buffer ran dry while playing. silent_samples: what was played since
    then until enough had gathered again, of which concealed_samples continued the sound.
    overflow_samples: oldest samples dropped because it was full.

    Where clocks are followed (`clocks.SpeechPlayback`): drift_ppm, by how much the card's clock is
    the faster one; delay_ms, how long speech waits; skipped_samples and stretched_samples: by how
    much pauses were made shorter and longer, to bring the delay back to what the line needs.
    """

    underruns: int = 0
    silent_samples: int = 0
    concealed_samples: int = 0
    overflow_samples: int = 0
    skipped_samples: int = 0
    stretched_samples: int = 0
    drift_ppm: float = 0.0
    delay_ms: float = 0.0


class PlaybackBuffer:
    """A mono sample queue that two threads share: `write` on one side, `read` on the other.

    It starts to play once `start_level` samples wait, and again so after it ran dry, which keeps
    one late frame from becoming many small gaps. Where it runs dry the sound goes on in its pitch
    and fades to silence, and where samples are missing one side passes into the other: nothing
    clicks. At most `capacity` samples wait: the oldest make room, since late speech is worse than
    lost speech. Silence before the first start is not counted. `rate`: samples per second.
    """

    def __init__(self, capacity: int, start_level: int, rate: int) -> None:
        if not 0 < start_level <= capacity:
            raise ValueError(f"need 0 < start_level <= capacity, got {start_level} and {capacity}")
        self._ring = np.zeros(capacity, np.float32)
        self._rate = rate
        self._fade = max(1, round(FADE_S * rate))
        self._start_level = start_level
        self._begin = 0
        self._level = 0
        self._playing = False
        self._started = False
        # What goes on where the buffer is dry.
        self._tail: NDArray[np.float32] = np.zeros(0, np.float32)
        self._lock = threading.Lock()
        self._counters = PlaybackCounters()

    def write(self, samples: NDArray[np.float32]) -> None:
        """Append samples, float32 [n]; never blocks."""
        capacity = len(self._ring)
        with self._lock:
            overflow = max(0, self._level + len(samples) - capacity)
            self._counters.overflow_samples += overflow
            kept = samples[max(0, len(samples) - capacity) :]
            dropped = min(overflow, self._level)
            before = self._peek(0, min(self._fade, dropped))
            self._begin = (self._begin + dropped) % capacity
            self._level -= dropped
            end = (self._begin + self._level) % capacity
            first = min(len(kept), capacity - end)
            self._ring[end : end + first] = kept[:first]
            self._ring[: len(kept) - first] = kept[first:]
            self._level += len(kept)
            if overflow and self._playing:
                self._pass_from(before)

    def read(self, count: int) -> NDArray[np.float32]:
        """Return the next `count` samples, float32 [count]; zeros where there are none."""
        result = np.zeros(count, np.float32)
        with self._lock:
            if not self._playing and self._level >= self._start_level:
                if self._started:
                    self._pass_from(self._tail)
                self._playing = self._started = True
            taken = min(count, self._level) if self._playing else 0
            result[:taken] = self._peek(0, taken)
            self._begin = (self._begin + taken) % len(self._ring)
            self._level -= taken
            if self._playing and taken < count:
                self._playing = False
                self._counters.underruns += 1
                past = min(round(HISTORY_S * self._rate), len(self._ring))
                sound = self._peek(-past, past)
                self._tail = extend(sound, round(SILENT_S * self._rate), self._rate)
            if self._started:
                self._counters.silent_samples += count - taken
                concealed = self._tail[: count - taken]
                result[taken : taken + len(concealed)] = concealed
                self._tail = self._tail[len(concealed) :]
                self._counters.concealed_samples += len(concealed)
        return result

    def clear(self) -> None:
        """Drop what waits, as for a new conversation; the silence that follows is not counted."""
        with self._lock:
            self._begin = self._level = 0
            self._playing = self._started = False
            self._ring[:] = 0.0
            self._tail = self._tail[:0]

    @property
    def level(self) -> int:
        """Samples that wait."""
        with self._lock:
            return self._level

    @property
    def playing(self) -> bool:
        """Whether what waits is being played; else it gathers."""
        return self._playing

    def snapshot(self) -> PlaybackCounters:
        """Return a copy of the counters."""
        with self._lock:
            return replace(self._counters)

    def _peek(self, offset: int, count: int) -> NDArray[np.float32]:
        """Return a copy of `count` samples from the next one plus `offset` on."""
        start = (self._begin + offset) % len(self._ring)
        first = min(count, len(self._ring) - start)
        return np.concatenate([self._ring[start : start + first], self._ring[: count - first]])

    def _pass_from(self, before: NDArray[np.float32]) -> None:
        """Let the next samples come out of `before`, or out of silence where that ends."""
        count = min(self._fade, self._level)
        places = (self._begin + np.arange(count)) % len(self._ring)
        ramp = np.linspace(0.0, 1.0, count, endpoint=False, dtype=np.float32)
        self._ring[places] *= ramp
        other = before[:count]
        self._ring[places[: len(other)]] += (1.0 - ramp[: len(other)]) * other
