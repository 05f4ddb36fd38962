"""What the loudspeaker really played, addressed by when it played it."""

from __future__ import annotations

from collections import deque
from functools import cache

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.audio.framing import SECOND_NS
from personaplex_ros.audio.resample import StreamResampler

JUMP_S = 0.04
"""A stamp that is farther from what was expected tells of a gap or of a clock that was set."""
WAITING_BLOCKS = 512
TAPS, ORDER = 12, 4
"""Of the interpolation between samples: length of the filters, degree in the fraction."""

Sound = NDArray[np.float32]


class StampedCount:
    """Counts the samples of a stream and knows by their stamps where it leapt.

    Stamps jitter and two clocks drift, so places follow from the count alone; only a stamp that is
    more than `JUMP_S` away from where the stamps were lately moves the count.
    """

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.next = 0
        self.leaps = 0
        self._anchor_ns: int | None = None
        self._lag_ns = 0.0

    def place(self, stamp_ns: int, count: int) -> int:
        """Return the index of the first of `count` samples that were stamped so."""
        if self._anchor_ns is None:
            self._anchor_ns = stamp_ns
        expected_ns = self._anchor_ns + self.next * SECOND_NS // self.rate
        off_ns = stamp_ns - expected_ns - self._lag_ns
        if abs(off_ns) > JUMP_S * SECOND_NS:
            self.next += round(off_ns * self.rate / SECOND_NS)
            self.leaps += 1
        else:
            self._lag_ns += 0.05 * off_ns
        first = self.next
        self.next += count
        return first

    def index_at(self, stamp_ns: int) -> int | None:
        """Return the index of the sample at a time; None before the first."""
        if self._anchor_ns is None:
            return None
        since_ns = stamp_ns - self._anchor_ns - round(self._lag_ns)
        return since_ns * self.rate // SECOND_NS


class Reference:
    """The last seconds of what was played, on the loudspeaker's own count of samples.

    `played` may be called from any thread, as a sound card's callback is; everything else belongs
    to one other thread. rate: samples per second of what is read.
    """

    def __init__(self, rate: int, seconds: float = 4.0) -> None:
        self.rate = rate
        self._ring: Sound = np.zeros(round(seconds * rate), np.float32)
        self._waiting: deque[tuple[Sound, int, int]] = deque(maxlen=WAITING_BLOCKS)
        self._forget()

    def _forget(self) -> None:
        self._clock: StampedCount | None = None
        self._resampler: StreamResampler | None = None
        self._end = 0
        self._ring[:] = 0.0

    @property
    def leaps(self) -> int:
        """How often a stamp told of a gap, or of a clock that was set."""
        return 0 if self._clock is None else self._clock.leaps

    def played(self, samples: Sound, rate: int, stamp_ns: int) -> None:
        """Note samples, float32 [n] at `rate` Hz, the first of which is played at `stamp_ns`.

        The array must not be changed afterwards.
        """
        self._waiting.append((samples, rate, stamp_ns))

    def take(self) -> None:
        """Take over what was noted."""
        while self._waiting:
            samples, rate, stamp_ns = self._waiting.popleft()
            if self._clock is None or self._clock.rate != rate:
                self._forget()
                self._clock = StampedCount(rate)
                self._resampler = StreamResampler(rate, self.rate)
            self._append(self._clock, samples, stamp_ns)

    def _append(self, clock: StampedCount, samples: Sound, stamp_ns: int) -> None:
        before = clock.next
        leap = clock.place(stamp_ns, len(samples)) - before
        if leap:
            end, self._end = self._end, self._end + round(leap * self.rate / clock.rate)
            self._clear(end, self._end)
        assert self._resampler is not None
        ready = self._resampler.push(samples)
        self._put(self._end, ready)
        self._end += len(ready)

    def index_at(self, stamp_ns: int) -> int | None:
        """Return the index of what is played at a time; None before the first."""
        index = None if self._clock is None else self._clock.index_at(stamp_ns)
        if index is None or self._clock is None:
            return None
        return index * self.rate // self._clock.rate

    def read(self, first: int, count: int) -> Sound:
        """Return samples from an index on, float32 [count]; zeros where none is known."""
        size = len(self._ring)
        places = np.arange(first, first + count)
        found = self._ring[places % size]
        if first < self._end - size or first + count > self._end or first < 0:
            found[(places < max(0, self._end - size)) | (places >= self._end)] = 0.0
        return found

    def between(self, first: float, count: int, pace: float) -> Sound:
        """Return samples interpolated at `first`, `first + pace`, ..., float32 [count]."""
        at = int(np.floor(first))
        fraction = first - at
        parts = []
        while count > 0:
            # The fraction must stay within a sample; a pace near 1 leaves it once a frame at most.
            run = count
            if pace > 1.0:
                run = min(count, int((1.0 - fraction) / (pace - 1.0)) + 1)
            elif pace < 1.0:
                run = min(count, int(fraction / (1.0 - pace)) + 1)
            known = self.read(at - TAPS // 2 + 1, run + TAPS - 1)
            parts.append(_interpolate(known, fraction + (pace - 1.0) * np.arange(run)))
            at, count = at + run, count - run
            fraction += (pace - 1.0) * run
            whole = int(np.floor(fraction))
            at, fraction = at + whole, fraction - whole
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _clear(self, first: int, end: int) -> None:
        count = min(max(0, end - first), len(self._ring))
        self._put(end - count, np.zeros(count, np.float32))

    def _put(self, first: int, samples: Sound) -> None:
        size = len(self._ring)
        samples = samples[max(0, len(samples) - size) :]
        begin = first % size
        head = min(len(samples), size - begin)
        self._ring[begin : begin + head] = samples[:head]
        self._ring[: len(samples) - head] = samples[head:]


@cache
def _farrow() -> Sound:
    """Return filters [ORDER + 1, TAPS]: their outputs are the coefficients in the fraction."""
    fractions = np.linspace(0.0, 1.0, 65)
    taps = np.arange(TAPS) - (TAPS // 2 - 1)
    distance = taps[None, :] - fractions[:, None]
    window = np.i0(6.0 * np.sqrt(np.clip(1.0 - (distance / (TAPS / 2)) ** 2, 0.0, 1.0)))
    kernel = np.sinc(distance) * window / np.i0(6.0)
    filters: Sound = np.polynomial.polynomial.polyfit(fractions, kernel, ORDER).astype(np.float32)
    return filters


def _interpolate(known: Sound, fractions: NDArray[np.floating]) -> Sound:
    windows = np.lib.stride_tricks.sliding_window_view(known, TAPS)
    terms = _farrow() @ windows.T
    fraction = fractions.astype(np.float32)
    value = terms[ORDER]
    for term in terms[ORDER - 1 :: -1]:
        value = value * fraction + term
    return value
