"""The microphone's way into the model: chunks from any thread in, frames for one thread out."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import replace

import numpy as np

from .chunk import AudioChunk, find_problem
from .framing import SECOND_NS, Framer
from .intake_types import IntakeCounters, IntakeLimits, MicrophoneFrame
from .network import Piece, StreamJoiner


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
        self._joiner = StreamJoiner(self._limits, sample_rate)
        self._counters = self._joiner.counters
        self._frames: deque[MicrophoneFrame] = deque()
        self._source: str | None = None
        self._source_heard_ns = 0  # in the time of the arrivals
        self._heard_at_ns = 0  # the same in monotonic time
        self._framer: Framer | None = None
        self._next_stamp_ns: int | None = None

    def accept(self, chunk: AudioChunk, now_ns: int) -> None:
        """Take a chunk that arrived at `now_ns`; never raises for bad content, but counts it."""
        with self._changed:
            problem = find_problem(chunk, self._limits.chunk)
            if problem is not None:
                self._joiner.count(problem.counter, problem.text)
                return
            if not self._is_active(chunk.source, now_ns):
                self._joiner.count(
                    "second_publisher",
                    f"second publisher: '{chunk.source}' is ignored while '{self._source}' sends; "
                    "stop one of them or remap its topic",
                )
                return
            self._source_heard_ns = now_ns
            self._heard_at_ns = time.monotonic_ns()
            self._frame(self._joiner.push(chunk, now_ns))
            self._skip_ahead()
            if self._frames or self._joiner.held_samples:
                self._changed.notify()

    def take(self, timeout_s: float) -> MicrophoneFrame | None:
        """Wait at most `timeout_s` seconds for a complete frame; None when there is none."""
        with self._changed:
            deadline_s = time.monotonic() + timeout_s
            while True:
                self._release()
                self._skip_ahead()
                left_s = deadline_s - time.monotonic()
                if self._frames or left_s <= 0.0:
                    return self._take_waiting()
                self._changed.wait(self._wait_s(left_s))

    def fill(self, now_ns: int = 0) -> MicrophoneFrame:
        """Return a frame of silence in place of one that is late (or that one, if it just came).

        Its stamp follows the last frame's; before the first audio, stamps count on from `now_ns`
        of the first call. Audio of the replaced time that still arrives is dropped, so that the
        conversation is not delayed for ever.
        """
        with self._changed:
            self._release(at_once=True)
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
            self._joiner.release(self._source_heard_ns, at_once=True)
            self._joiner.forget_publisher()
            self._framer = None
            self._next_stamp_ns = None

    @property
    def chunks_arrived(self) -> int:
        """How many usable chunks of the active publisher have come so far."""
        return self._counters.chunks

    def waiting_samples(self) -> int:
        """Return how many samples (model rate) wait, those of a partly filled frame included."""
        with self._changed:
            partial = 0 if self._framer is None else self._framer.partial
            rate = self._counters.rate or self.sample_rate
            held = self._joiner.held_samples * self.sample_rate // rate
            return len(self._frames) * self.frame_size + partial + held

    def snapshot(self) -> IntakeCounters:
        """Return a copy of the counters."""
        with self._changed:
            return replace(self._counters)

    def notes(self) -> list[str]:
        """Return what is peculiar about the active publisher and is put right here, in words."""
        with self._changed:
            return self._joiner.notes

    @property
    def last_problem(self) -> str | None:
        """The latest thing that was wrong with the input, in words; None while all was well."""
        with self._changed:
            return self._joiner.last_problem

    def _is_active(self, source: str, now_ns: int) -> bool:
        if source == self._source:
            return True
        timeout_ns = round(self._limits.source_timeout_s * SECOND_NS)
        # Threads may stamp out of order; a clock set far back ends the wait as well.
        if self._source is not None and abs(now_ns - self._source_heard_ns) < timeout_ns:
            return False
        if self._source is not None:
            self._frame(self._joiner.release(now_ns, at_once=True))
            change = f"publisher changed: '{self._source}' to '{source}'"
            self._joiner.count("source_changes", change)
            self._joiner.begin_anew(change)
            self._drop_partial()
        self._joiner.forget_publisher()
        self._source = source
        return True

    def _release(self, *, at_once: bool = False) -> None:
        """Pass on what has waited long enough for what is missing before it."""
        if self._joiner.held_samples:
            since_ns = time.monotonic_ns() - self._heard_at_ns
            pieces = self._joiner.release(self._source_heard_ns + since_ns, at_once=at_once)
            self._frame(pieces)

    def _wait_s(self, longest_s: float) -> float:
        """Return how long nothing can be there to be taken, unless something comes."""
        due_ns = self._joiner.next_due_ns
        if due_ns is None:
            return longest_s
        passed_ns = time.monotonic_ns() - self._heard_at_ns
        return min(longest_s, max(0.0, (due_ns - self._source_heard_ns - passed_ns) / SECOND_NS))

    def _frame(self, pieces: list[Piece]) -> None:
        """Put the pieces of the stream into frames."""
        for piece in pieces:
            if piece.restart:
                self._drop_partial()
            if self._framer is None:
                self._framer = Framer(piece.rate, self.sample_rate, self.frame_size)
            before = self._framer.late_samples
            frames = self._framer.push(piece.samples, piece.stamp_ns)
            self._counters.late_samples += self._framer.late_samples - before
            self._counters.frames += len(frames)
            self._frames.extend(frames)

    def _drop_partial(self) -> None:
        """Let a new stream begin: whole frames that wait stay, a partly filled one is dropped."""
        if self._framer is not None:
            self._counters.discarded_samples += self._framer.partial
        self._framer = None

    def _skip_ahead(self) -> None:
        if len(self._frames) > self._limits.max_backlog_frames:
            behind = len(self._frames) - 1
            for _ in range(behind):
                self._frames.popleft()
            self._joiner.count(
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
