"""The microphone's way into the model: chunks from any thread in, frames for one thread out."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import replace

import numpy as np

from .chunk import AudioChunk, find_problem
from .continuity import STAMP_GAP_NS, StreamEnd, place
from .framing import SECOND_NS, Framer
from .intake_types import IntakeCounters, IntakeLimits, MicrophoneFrame
from .mono import StreamMono
from .numbering import Numbering, Standing


class MicrophoneIntake:
    """Turns whatever publishers send into an even row of model frames, bounded and counted.

    `accept` may be called from any thread; `take` and `fill` belong to the model's thread. What
    happens to faulty input is stated with `IntakeLimits` and `IntakeCounters`.
    """

    def __init__(
        self, sample_rate: int, frame_size: int, limits: IntakeLimits | None = None
    ) -> None:
        if sample_rate < 1 or frame_size < 1:
            raise ValueError(
                f"sample_rate and frame_size must be positive, got {sample_rate}, {frame_size}"
            )
        self.sample_rate = sample_rate
        self.frame_size = frame_size
        self._limits = limits or IntakeLimits()
        self._frame_ns = frame_size * SECOND_NS // sample_rate
        self._changed = threading.Condition()
        self._counters = IntakeCounters()
        self._last_problem: str | None = None
        self._frames: deque[MicrophoneFrame] = deque()
        self._source: str | None = None
        self._source_heard_ns = 0
        self._forget_publisher()
        self._framer: Framer | None = None
        self._end: StreamEnd | None = None
        self._next_stamp_ns: int | None = None

    def accept(self, chunk: AudioChunk, now_ns: int) -> None:
        """Take a chunk that arrived at `now_ns`; never raises for bad content, but counts it."""
        with self._changed:
            problem = find_problem(chunk, self._limits.chunk)
            if problem is not None:
                self._count(problem.counter, problem.text)
                return
            if not self._is_active(chunk.source, now_ns):
                self._count(
                    "second_publisher",
                    f"second publisher: '{chunk.source}' is ignored while '{self._source}' sends; "
                    "stop one of them or remap its topic",
                )
                return
            self._source_heard_ns = now_ns
            self._counters.chunks += 1
            self._follow(chunk, now_ns)
            self._skip_ahead()
            if self._frames:
                self._changed.notify()

    def take(self, timeout_s: float) -> MicrophoneFrame | None:
        """Wait at most `timeout_s` seconds for a complete frame; None when there is none."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._frames), timeout_s)
            return self._take_waiting()

    def fill(self, now_ns: int = 0) -> MicrophoneFrame:
        """Return a frame of silence in place of one that is late (or that one, if it just came).

        Its stamp follows the last frame's; before the first audio, stamps count on from `now_ns`
        of the first call. Audio of the replaced time that still arrives is dropped, so that the
        conversation is not delayed for ever.
        """
        with self._changed:
            waiting = self._take_waiting()
            if waiting is not None:
                return waiting
            stamp_ns = now_ns if self._next_stamp_ns is None else self._next_stamp_ns
            self._next_stamp_ns = stamp_ns + self._frame_ns
            self._counters.filled_frames += 1
            if self._framer is not None:
                before = self._framer.late_samples
                self._framer.replace_until(self._next_stamp_ns)
                self._counters.late_samples += self._framer.late_samples - before
            return MicrophoneFrame(np.zeros(self.frame_size, np.float32), stamp_ns, filled=True)

    def clear(self) -> None:
        """Drop what waits and forget publisher and stream, as for a new start; keep counters."""
        with self._changed:
            self._frames.clear()
            self._source = None
            self._forget_publisher()
            self._framer = None
            self._end = None
            self._next_stamp_ns = None

    @property
    def chunks_arrived(self) -> int:
        """How many usable chunks of the active publisher have come so far."""
        return self._counters.chunks

    def waiting_samples(self) -> int:
        """Return how many samples (model rate) wait, those of a partly filled frame included."""
        with self._changed:
            partial = 0 if self._framer is None else self._framer.partial
            return len(self._frames) * self.frame_size + partial

    def snapshot(self) -> IntakeCounters:
        """Return a copy of the counters."""
        with self._changed:
            return replace(self._counters)

    def notes(self) -> list[str]:
        """Return what is peculiar about the active publisher and is put right here, in words."""
        with self._changed:
            return [note for note in (self._numbering.note, *self._mono.notes.values()) if note]

    @property
    def last_problem(self) -> str | None:
        """The latest thing that was wrong with the input, in words; None while all was well."""
        with self._changed:
            return self._last_problem

    def _count(self, counter: str, text: str, amount: int = 1) -> None:
        setattr(self._counters, counter, getattr(self._counters, counter) + amount)
        self._last_problem = text

    def _is_active(self, source: str, now_ns: int) -> bool:
        if source == self._source:
            return True
        timeout_ns = round(self._limits.source_timeout_s * SECOND_NS)
        # Threads may stamp out of order; a clock set far back ends the wait as well.
        if self._source is not None and abs(now_ns - self._source_heard_ns) < timeout_ns:
            return False
        if self._source is not None:
            self._count("source_changes", f"publisher changed: '{self._source}' to '{source}'")
            self._restart()
        self._forget_publisher()
        self._source = source
        return True

    def _forget_publisher(self) -> None:
        self._numbering = Numbering()
        self._mono = StreamMono()
        self._last_stamp_ns = 0
        self._stamped = False

    def _follow(self, chunk: AudioChunk, now_ns: int) -> None:
        """Take a usable chunk of the active publisher, believing of its header what can be."""
        standing = self._numbering.follow(chunk)
        if standing is Standing.REPEATED:
            self._count_overlap(chunk.frames)
            return
        if standing is Standing.IGNORED:
            self._counters.ignored_indices += 1
            chunk = replace(chunk, first_sample=None)
        self._append(chunk, self._stamp(chunk, now_ns))

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

    def _append(self, chunk: AudioChunk, stamp_ns: int) -> None:
        """Put the samples of a chunk, captured at `stamp_ns`, into frames."""
        skip = 0
        if self._end is not None:
            placement = place(chunk, stamp_ns, self._end, self._limits.max_gap_fill_s)
            if placement.restart:
                if chunk.format != (self._end.rate, self._end.channels):
                    self._counters.format_changes += 1
                    self._mono = StreamMono()
                self._last_problem = placement.restart
                self._restart()
            elif placement.missing:
                self._fill_gap(placement.missing, self._end)
            elif placement.repeated:
                skip = placement.repeated
                self._count_overlap(skip)
            elif self._stamped and abs(stamp_ns - self._end.next_stamp_ns) > STAMP_GAP_NS:
                leap_s = (stamp_ns - self._end.next_stamp_ns) / SECOND_NS
                self._count("stamp_jumps", f"the stamp leapt by {leap_s:.3f} s without a gap")
        if skip == chunk.frames:
            return
        clean = self._mono.clean(chunk)
        if clean.not_finite:
            self._count(
                "nan_samples",
                f"nan: {clean.not_finite} samples set to 0, as they are no numbers or larger than "
                "any scale",
                clean.not_finite,
            )
        if clean.clipped:
            self._count(
                "clipped_samples",
                f"clipped: {clean.clipped} samples beyond full scale; float audio must lie in "
                "[-1, 1]",
                clean.clipped,
            )
        if self._framer is None:
            self._framer = Framer(chunk.rate, self.sample_rate, self.frame_size)
        heard_ns = (chunk.frames - skip) * SECOND_NS // chunk.rate
        self._counters.covered_ns += heard_ns
        self._counters.rate = chunk.rate
        is_flat = bool((clean.samples == clean.samples[0]).all())
        self._counters.silent_ns = self._counters.silent_ns + heard_ns if is_flat else 0
        self._push(self._framer, clean.samples[skip:], stamp_ns + skip * SECOND_NS // chunk.rate)
        self._end = StreamEnd.after(chunk, stamp_ns)

    def _count_overlap(self, samples: int) -> None:
        self._count("overlaps", f"duplicate/overlap: {samples} samples were sent twice")
        self._counters.overlap_samples += samples

    def _fill_gap(self, missing: int, end: StreamEnd) -> None:
        """Put zeros in place of lost samples."""
        self._count("gaps", f"gap: {missing} samples ({missing / end.rate:.3f} s) are missing")
        self._counters.gap_samples += missing
        self._counters.covered_ns += missing * SECOND_NS // end.rate
        assert self._framer is not None  # a stream that has an end has a framer
        self._push(self._framer, np.zeros(missing, np.float32), end.next_stamp_ns)

    def _push(self, framer: Framer, samples: np.ndarray, stamp_ns: int) -> None:
        before = framer.late_samples
        frames = framer.push(samples, stamp_ns)
        self._counters.late_samples += framer.late_samples - before
        self._counters.frames += len(frames)
        self._frames.extend(frames)

    def _restart(self) -> None:
        """Begin a new stream: whole frames that wait are kept, a partly filled one is dropped."""
        self._counters.restarts += 1
        if self._framer is not None:
            self._counters.discarded_samples += self._framer.partial
        self._framer = None
        self._end = None

    def _skip_ahead(self) -> None:
        if len(self._frames) > self._limits.max_backlog_frames:
            behind = len(self._frames) - 1
            for _ in range(behind):
                self._frames.popleft()
            self._count(
                "skipped_frames",
                f"backlog dropped: {behind} frames; the model is slower than the microphone, or "
                "late audio came at once",
                behind,
            )

    def _take_waiting(self) -> MicrophoneFrame | None:
        if not self._frames:
            return None
        frame = self._frames.popleft()
        self._next_stamp_ns = frame.stamp_ns + self._frame_ns
        return frame
