"""Whether the sample index of a publisher counts samples, learnt from one chunk to the next."""

from __future__ import annotations

import enum

import numpy as np

from .chunk import AudioChunk

DOUBTS = 5
"""Chunks in a row that do not continue, after which an index no longer counts."""
FARTHEST = 1 << 24
"""Samples, several minutes; farther apart, two indices are not of one count that went around."""


class Standing(enum.Enum):
    """What the sample index of a chunk says."""

    COUNTS = "it tells where the chunk lies"
    IGNORED = "nothing: it does not count samples"
    REPEATED = "the chunk is the one before, sent again"


class Numbering:
    """Judges the sample index of one publisher's chunks.

    An index counts from where it has gone on exactly as the samples did, or has left them as the
    stamps did, as where chunks are lost or overtake others. One that goes on otherwise
    before, as it stands still or counts messages, bytes or nanoseconds, is none, and what it
    numbers is heard as if it had none; a jump ahead that the stamps make as well is a loss, though.
    One that has counted is none after `DOUBTS` chunks in a row that nothing explains.
    """

    def __init__(self) -> None:
        self._previous: AudioChunk | None = None
        self._expected = 0
        self._counts: bool | None = None  # None: not known yet
        self._doubts = 0
        self._repeats = 0
        self.note = ""

    @property
    def counts(self) -> bool:
        """Whether the index is known to count samples."""
        return bool(self._counts)

    def follow(self, chunk: AudioChunk) -> Standing:
        """Judge the next usable chunk; one without an index counts for what it is."""
        previous = self._previous
        if previous is not None and previous.format != chunk.format:
            previous = None
            self._counts = None
        if chunk.first_sample is None or previous is None or previous.first_sample is None:
            return self._pass(chunk, Standing.COUNTS)
        ahead = samples_between(self._expected, chunk.first_sample)
        if ahead == 0:
            self._counts, self._doubts = True, 0
            return self._pass(chunk, Standing.COUNTS)
        if self._is_repeated(previous, chunk):
            self._repeats += 1
            return Standing.REPEATED
        if _stamps_agree(previous, chunk, ahead):
            self._counts, self._doubts = True, 0
        if self._counts and ahead < 0 and 0 < chunk.stamp_ns <= previous.stamp_ns:
            return Standing.COUNTS  # an old chunk, late or again, after which the stream goes on
        if self._counts is not False and _is_loss(previous, chunk, ahead):
            return self._pass(chunk, Standing.COUNTS)
        self._doubts += 1
        if self._counts and self._doubts <= DOUBTS:
            return self._pass(chunk, Standing.COUNTS)
        self._counts = False
        if not self.note:
            self.note = (
                f"index: first_sample went from {previous.first_sample} to {chunk.first_sample} "
                f"over a message of {previous.frames} samples per channel, so it is ignored and "
                "lost audio goes unseen; let every message carry the number of samples per channel "
                "that were sent before it"
            )
        return self._pass(chunk, Standing.IGNORED)

    def _pass(self, chunk: AudioChunk, standing: Standing) -> Standing:
        if chunk.first_sample is not None:
            self._expected = chunk.first_sample + chunk.frames
        self._previous = chunk
        self._repeats = 0
        return standing

    def _is_repeated(self, previous: AudioChunk, chunk: AudioChunk) -> bool:
        """Tell whether a chunk is the one before, sent again.

        Sound never repeats itself; silence does, so then the stamps decide, and where they do not
        tell, that nobody sends a chunk so often.
        """
        if chunk.first_sample != previous.first_sample or self._repeats >= DOUBTS:
            return False
        if not np.array_equal(chunk.samples, previous.samples):
            return False
        if chunk.samples.max() > chunk.samples.min():
            return True
        return chunk.stamp_ns == previous.stamp_ns and self._counts is not False


def samples_between(earlier: int, later: int) -> int:
    """Return how far an index is after another, also where it went around at 32 or 64 bits."""
    plain = later - earlier
    for bits in (32, 64):
        around = plain + (1 << bits)
        if plain < 0 and abs(around) < FARTHEST:
            return around
    return plain


def _stamps_agree(previous: AudioChunk, chunk: AudioChunk, ahead: int) -> bool:
    """Tell whether the stamps say, too, that a chunk lies so far from where it would go on."""
    if chunk.stamp_ns <= 0 or previous.stamp_ns <= 0 or chunk.stamp_ns == previous.stamp_ns:
        return False
    jump_ns = chunk.stamp_ns - previous.stamp_ns - previous.duration_ns
    ahead_ns = ahead * 1_000_000_000 // chunk.rate
    return 4 * abs(jump_ns - ahead_ns) < abs(ahead_ns)


def _is_loss(previous: AudioChunk, chunk: AudioChunk, ahead: int) -> bool:
    """Tell whether the stamps jump ahead as the index does, rather than going on."""
    if ahead < 0 or chunk.stamp_ns <= 0 or previous.stamp_ns <= 0:
        return False
    jump_ns = chunk.stamp_ns - previous.stamp_ns - previous.duration_ns
    return abs(jump_ns - ahead * 1_000_000_000 // chunk.rate) < abs(jump_ns)
