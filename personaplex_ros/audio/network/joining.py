"""From the chunks of one publisher, in whatever order and with whatever losses, to one stream."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.audio.chunk import AudioChunk
from personaplex_ros.audio.continuity import STAMP_GAP_NS, StreamEnd, place
from personaplex_ros.audio.framing import SECOND_NS
from personaplex_ros.audio.intake_types import IntakeCounters, IntakeLimits
from personaplex_ros.audio.mono import StreamMono
from personaplex_ros.audio.numbering import Numbering, Standing, samples_between

from .concealment import HISTORY_S, bridge
from .reordering import Reordering

GAPS_KEPT = 64
"""Filled gaps that are remembered, to know late samples from repeated ones."""


@dataclass(frozen=True)
class Piece:
    """A part of the stream: mono samples float32 [n] at `rate`, captured from `stamp_ns` on.

    restart: whether a new stream begins with it.
    """

    samples: NDArray[np.float32]
    rate: int
    stamp_ns: int
    restart: bool = False


class StreamJoiner:
    """Makes usable chunks of one publisher a gapless mono stream; every sample once, or counted.

    Numbered chunks are put in order (`Reordering`). What is lost is filled: the sound goes on, or
    with zeros where `limits.conceal` is false; what comes after all is dropped. On a line that
    loses nothing each chunk is passed on as it comes, unchanged.
    """

    def __init__(self, limits: IntakeLimits, rate: int) -> None:
        """`rate`: that in which `late_samples` are counted."""
        self._limits = limits
        self._rate = rate
        self.counters = IntakeCounters()
        self.last_problem: str | None = None
        self._order = Reordering(limits.network_delay_max_s)
        self.forget_publisher()

    def forget_publisher(self) -> None:
        """Begin anew with another publisher, after `release`; the counters stay."""
        self._numbering = Numbering()
        self._mono = StreamMono()
        self._last_stamp_ns = 0
        self._stamped = False
        self._newest: int | None = None  # index of the chunk that is farthest
        self._restart = False
        self._end: StreamEnd | None = None
        self._recent: deque[NDArray[np.float32]] = deque()
        self._gaps: deque[tuple[int, int]] = deque(maxlen=GAPS_KEPT)
        self._order.forget_line()

    def push(self, chunk: AudioChunk, now_ns: int) -> list[Piece]:
        """Take a usable chunk that arrived at `now_ns`; return what goes on now."""
        self.counters.chunks += 1
        if chunk.first_sample is None or not self._numbering.counts:
            return self.release(now_ns, at_once=True) + self._follow(chunk, now_ns)
        expected = self._expected
        ahead = 0 if expected is None else samples_between(expected, chunk.first_sample)
        if ahead > self._limits.max_gap_fill_s * chunk.rate:  # the stream begins anew
            return self.release(now_ns, at_once=True) + self._follow(chunk, now_ns)
        if self._newest is None or samples_between(self._newest, chunk.first_sample) > 0:
            self._newest = chunk.first_sample
        elif ahead >= 0 and chunk.first_sample != self._newest:
            self.counters.reordered += 1
        self._order.push(chunk, now_ns / SECOND_NS)
        self.counters.spread_ms = round(1e3 * self._order.spread_s)
        return self.release(now_ns)

    def release(self, now_ns: int, *, at_once: bool = False) -> list[Piece]:
        """Return what has waited long enough for what is missing before it, or all of it."""
        pieces: list[Piece] = []
        now_s = now_ns / SECOND_NS
        while chunk := self._order.pop(self._expected, now_s, at_once=at_once):
            pieces += self._follow(chunk, now_ns)
        return pieces

    @property
    def next_due_ns(self) -> int | None:
        """When `release` has something to return if nothing else comes."""
        due_s = self._order.next_due_s(self._expected)
        return None if due_s is None else round(due_s * SECOND_NS)

    @property
    def held_samples(self) -> int:
        """Samples per channel that wait for what is missing before them."""
        return self._order.held_samples

    @property
    def notes(self) -> list[str]:
        """What is peculiar about the publisher and is put right here, in words."""
        return [note for note in (self._numbering.note, *self._mono.notes.values()) if note]

    def count(self, counter: str, text: str, amount: int = 1) -> None:
        """Count what is wrong with the input, and say it in words."""
        setattr(self.counters, counter, getattr(self.counters, counter) + amount)
        self.last_problem = text

    def begin_anew(self, reason: str) -> None:
        """Let the next piece begin a new stream."""
        self.last_problem = reason
        self.counters.restarts += 1
        self._restart = True
        self._end = None
        self._recent.clear()
        self._gaps.clear()
        self._newest = None
        self._order.forget_line()

    @property
    def _expected(self) -> int | None:
        return None if self._end is None else self._end.next_sample

    def _follow(self, chunk: AudioChunk, now_ns: int) -> list[Piece]:
        """Take the next chunk in order, believing of its header what can be."""
        first = chunk.first_sample
        if first is not None and self._filled_in(first, first + chunk.frames) == chunk.frames:
            self._count_overlap(chunk, chunk.frames)
            return []
        standing = self._numbering.follow(chunk)
        if standing is Standing.REPEATED:
            self._count_overlap(chunk, chunk.frames)
            return []
        if standing is Standing.IGNORED:
            self.counters.ignored_indices += 1
            chunk = replace(chunk, first_sample=None)
        return self._append(chunk, self._stamp(chunk, now_ns))

    def _stamp(self, chunk: AudioChunk, now_ns: int) -> int:
        """Return when a chunk was captured.

        A stamp of zero means "not known" in ROS, and one that stands still tells as little: then
        the chunk ended when it arrived.
        """
        stamp_ns, last_ns = chunk.stamp_ns, self._last_stamp_ns
        self._last_stamp_ns = stamp_ns
        self._stamped = stamp_ns > 0 and stamp_ns != last_ns
        if self._stamped:
            return stamp_ns
        stamp_ns = now_ns - chunk.duration_ns
        if self._end is not None and last_ns > 0:
            self._end = replace(self._end, next_stamp_ns=stamp_ns)  # the leap is no loss
        return stamp_ns

    def _append(self, chunk: AudioChunk, stamp_ns: int) -> list[Piece]:
        """Return the samples of a chunk, captured at `stamp_ns`, with what fills a gap before."""
        skip = missing = 0
        end = self._end
        if end is not None:
            placement = place(chunk, stamp_ns, end, self._limits.max_gap_fill_s)
            missing, skip = placement.missing, placement.repeated
            if placement.restart:
                if chunk.format != (end.rate, end.channels):
                    self.counters.format_changes += 1
                    self._mono = StreamMono()
                self.begin_anew(placement.restart)
            elif skip:
                self._count_overlap(chunk, skip)
            elif not missing and self._stamped:
                self._watch_stamp(stamp_ns - end.next_stamp_ns)
        if skip == chunk.frames:
            return []
        samples = self._clean(chunk)[skip:]
        pieces = []
        if missing and end is not None:
            pieces.append(Piece(self._fill(missing, end, samples), chunk.rate, end.next_stamp_ns))
        stamp_ns += skip * SECOND_NS // chunk.rate
        pieces.append(Piece(samples, chunk.rate, stamp_ns, self._restart))
        self._restart = False
        self._end = StreamEnd.after(chunk, stamp_ns - skip * SECOND_NS // chunk.rate)
        self._remember(samples, chunk.rate)
        self._count_heard(samples, chunk)
        return pieces

    def _watch_stamp(self, leap_ns: int) -> None:
        if abs(leap_ns) > STAMP_GAP_NS:
            leap_s = leap_ns / SECOND_NS
            self.count("stamp_jumps", f"the stamp leapt by {leap_s:.3f} s without a gap")

    def _clean(self, chunk: AudioChunk) -> NDArray[np.float32]:
        clean = self._mono.clean(chunk)
        if clean.not_finite:
            self.count(
                "nan_samples",
                f"nan: {clean.not_finite} samples set to 0, as they are no numbers or larger than "
                "any scale",
                clean.not_finite,
            )
        if clean.clipped:
            self.count(
                "clipped_samples",
                f"clipped: {clean.clipped} samples beyond full scale; float audio must lie in "
                "[-1, 1]",
                clean.clipped,
            )
        return clean.samples

    def _count_heard(self, samples: NDArray[np.float32], chunk: AudioChunk) -> None:
        counters = self.counters
        heard_ns = len(samples) * SECOND_NS // chunk.rate
        counters.covered_ns += heard_ns
        counters.rate = chunk.rate
        is_flat = bool((samples == samples[0]).all())
        counters.silent_ns = counters.silent_ns + heard_ns if is_flat else 0

    def _count_overlap(self, chunk: AudioChunk, samples: int) -> None:
        """Count samples that do not go on: late ones, whose place was filled, or repeated ones."""
        first = chunk.first_sample
        late = 0 if first is None else self._filled_in(first, first + samples)
        if late:
            counted = round(late * self._rate / chunk.rate)
            self.count("late_samples", "late: a gap was filled before its audio came", counted)
        if samples > late:
            repeated = samples - late
            self.count("overlaps", f"duplicate/overlap: {repeated} samples were sent twice")
            self.counters.overlap_samples += repeated

    def _filled_in(self, first: int, end: int) -> int:
        return sum(max(0, min(end, to) - max(first, since)) for since, to in self._gaps)

    def _fill(
        self, missing: int, end: StreamEnd, future: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return what takes the place of lost samples."""
        filled = "the sound goes on" if self._limits.conceal else "there is silence"
        length = f"{missing} samples ({missing / end.rate:.3f} s)"
        self.count("gaps", f"gap: {length} are missing, {filled} in their place")
        self.counters.gap_samples += missing
        self.counters.covered_ns += missing * SECOND_NS // end.rate
        if end.next_sample is not None:
            self._gaps.append((end.next_sample, end.next_sample + missing))
        if not self._limits.conceal:
            return np.zeros(missing, np.float32)
        self.counters.concealed_samples += missing
        return bridge(np.concatenate(self._recent), future, missing, end.rate)

    def _remember(self, samples: NDArray[np.float32], rate: int) -> None:
        """Keep the last parts, by reference, as far as a gap would look back."""
        self._recent.append(samples)
        enough = round(HISTORY_S * rate)
        while sum(map(len, self._recent)) - len(self._recent[0]) >= enough:
            self._recent.popleft()
