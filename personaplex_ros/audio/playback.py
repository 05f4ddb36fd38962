"""The bounded buffer between a producer of speech and the clock of a sound card."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray


@dataclass
class PlaybackCounters:
    """What a playback buffer met, in samples except where it says times.

    underruns: times that the buffer ran dry while playing. silent_samples: zeros played since then
    until enough had gathered again. overflow_samples: oldest samples dropped because it was full.
    """

    underruns: int = 0
    silent_samples: int = 0
    overflow_samples: int = 0


class PlaybackBuffer:
    """A mono sample queue that two threads share: `write` on one side, `read` on the other.

    It starts to play once `start_level` samples wait, and again so after it ran dry, which keeps
    one late frame from becoming many small gaps. At most `capacity` samples wait: the oldest make
    room, since late speech is worse than lost speech. Silence before the first start is not
    counted.
    """

    def __init__(self, capacity: int, start_level: int) -> None:
        if not 0 < start_level <= capacity:
            raise ValueError(f"need 0 < start_level <= capacity, got {start_level} and {capacity}")
        self._ring = np.zeros(capacity, np.float32)
        self._start_level = start_level
        self._begin = 0
        self._level = 0
        self._playing = False
        self._started = False
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
            self._begin = (self._begin + dropped) % capacity
            self._level -= dropped
            end = (self._begin + self._level) % capacity
            first = min(len(kept), capacity - end)
            self._ring[end : end + first] = kept[:first]
            self._ring[: len(kept) - first] = kept[first:]
            self._level += len(kept)

    def read(self, count: int) -> NDArray[np.float32]:
        """Return the next `count` samples, float32 [count]; zeros where there are none."""
        result = np.zeros(count, np.float32)
        with self._lock:
            if not self._playing and self._level >= self._start_level:
                self._playing = self._started = True
            taken = min(count, self._level) if self._playing else 0
            first = min(taken, len(self._ring) - self._begin)
            result[:first] = self._ring[self._begin : self._begin + first]
            result[first:taken] = self._ring[: taken - first]
            self._begin = (self._begin + taken) % len(self._ring)
            self._level -= taken
            if self._started:
                self._counters.silent_samples += count - taken
            if self._playing and taken < count:
                self._playing = False
                self._counters.underruns += 1
        return result

    def clear(self) -> None:
        """Drop what waits, as for a new conversation; the silence that follows is not counted."""
        with self._lock:
            self._begin = self._level = 0
            self._playing = self._started = False

    @property
    def level(self) -> int:
        """Samples that wait."""
        with self._lock:
            return self._level

    def snapshot(self) -> PlaybackCounters:
        """Return a copy of the counters."""
        with self._lock:
            return replace(self._counters)
