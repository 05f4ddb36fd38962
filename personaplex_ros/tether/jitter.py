"""Speech that arrives irregularly, given out frame by frame at an even pace, its words with it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.audio.clocks.quiet import is_quiet
from personaplex_ros.audio.playback import PlaybackBuffer

PRIMED_S = 0.01
"""Silence at the begin of a stream: decoders hold some samples back, and frames are to be whole."""
SPARE_S = 0.03
"""What arrived later than this before it was taken came just in time."""
PATIENCE_S = 20.0
"""For how long a frame more must have waited than was needed, for a pause to lose a frame."""

MOST_PIECES = 500
"""Of text, that wait for their speech; of more the oldest are dropped."""

Sound = NDArray[np.float32]


@dataclass(frozen=True)
class JitterCounters:
    """What the buffer met: times that it ran dry, and seconds of speech, except for `pieces`.

    missing_s: what stood in for speech that was late. dropped_s: the oldest speech, of more than
    may wait. shortened_s: pauses made shorter, to bring the delay back to what the line needs.
    waiting_s: what waits now.
    """

    ran_dry: int = 0
    missing_s: float = 0.0
    dropped_s: float = 0.0
    shortened_s: float = 0.0
    waiting_s: float = 0.0


class JitterBuffer:
    """Bounded by `longest_s`; one thread writes, another takes a frame when it is due.

    The delay grows by what was late, as a stand-in is played and all of the speech still comes; it
    shrinks by a frame in a pause when for `PATIENCE_S` one frame more waited than was needed.
    What is late is concealed (`PlaybackBuffer`). A piece of text comes out with the speech before
    which, or with the end of which, it arrived.
    """

    def __init__(
        self,
        rate: int,
        frame_size: int,
        longest_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate, self._frame_size, self._clock = rate, frame_size, clock
        self._buffer = PlaybackBuffer(
            max(round(longest_s * rate), 2 * frame_size), frame_size, rate
        )
        self._lock = threading.Lock()
        self._pieces: deque[tuple[int, str]] = deque(maxlen=MOST_PIECES)
        self._arrivals: deque[tuple[float, int]] = deque()
        self._written = self._shortened = 0
        self._needed_at = clock()
        self._begin()

    def begin(self) -> None:
        """Drop what waits and begin another stream; what was counted stays."""
        with self._lock:
            self._begin()

    def write(self, samples: Sound) -> None:
        """Append speech, float32 [n]; never blocks."""
        with self._lock:
            self._arrivals.append((self._clock(), len(samples)))
            self._written += len(samples)
            self._buffer.write(samples)

    def add(self, piece: str) -> None:
        """Append a piece of text."""
        with self._lock:
            self._pieces.append((self._written, piece))

    def take(self) -> tuple[Sound, str]:
        """Return the next frame, float32 [frame_size], and its text; silence where none is."""
        with self._lock:
            frame = self._buffer.read(self._frame_size)
            if self._has_spare() and is_quiet(frame):
                frame = self._buffer.read(self._frame_size)
                self._shortened += self._frame_size
                self._needed_at = self._clock()
            taken = self._written - self._buffer.level
            text = ""
            while self._pieces and self._pieces[0][0] < taken:
                text += self._pieces.popleft()[1]
            return frame, text

    @property
    def waiting_s(self) -> float:
        """Seconds of speech that wait."""
        return self._buffer.level / self._rate

    def snapshot(self) -> JitterCounters:
        """Return what was counted."""
        counters = self._buffer.snapshot()
        return JitterCounters(
            counters.underruns,
            counters.silent_samples / self._rate,
            counters.overflow_samples / self._rate,
            self._shortened / self._rate,
            self.waiting_s,
        )

    def _begin(self) -> None:
        self._buffer.clear()
        self._pieces.clear()
        self._arrivals.clear()
        self._needed_at = self._clock()
        primed = np.zeros(round(PRIMED_S * self._rate), np.float32)
        self._written = len(primed)
        self._buffer.write(primed)

    def _has_spare(self) -> bool:
        """Tell whether for long another frame waited, which had not come just now."""
        now = self._clock()
        while self._arrivals and self._arrivals[0][0] < now - SPARE_S:
            self._arrivals.popleft()
        recent = sum(count for _, count in self._arrivals)
        if self._buffer.level - recent < self._frame_size:
            self._needed_at = now
        return now - self._needed_at > PATIENCE_S
