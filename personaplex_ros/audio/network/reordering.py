"""Puts chunks that overtook others back in order, and waits no longer than the line asks for."""

from __future__ import annotations

from personaplex_ros.audio.chunk import AudioChunk
from personaplex_ros.audio.numbering import samples_between

from .lateness import Lateness

MOST_HELD = 256
"""Chunks; the earliest goes on when there are more."""

AMPLE = 1.25
"""By what the time that nearly all chunks take is exceeded: the latest come at its very end."""


class Reordering:
    """Holds numbered chunks that come before their time until what they overtook has come.

    What is missing is waited for as long as nearly all chunks of this line take, but at most
    `wait_max_s` beyond the time of those that are not late: on a line that only loses, not at all.
    """

    def __init__(self, wait_max_s: float) -> None:
        self._wait_max_s = wait_max_s
        self._held: list[AudioChunk] = []
        self._lateness = Lateness(max(wait_max_s, 0.01))

    def forget_line(self) -> None:
        """Learn anew how late chunks are, as for another stream."""
        self._lateness.forget()

    def push(self, chunk: AudioChunk, now_s: float) -> None:
        """Take the next chunk with an index, which arrived at `now_s`."""
        assert chunk.first_sample is not None
        self._lateness.push((chunk.first_sample + chunk.frames) / chunk.rate, now_s)
        self._held.append(chunk)

    def pop(
        self, expected: int | None, now_s: float, *, at_once: bool = False
    ) -> AudioChunk | None:
        """Return the chunk that goes on now, after the stream up to sample `expected`.

        None while what is missing before all that are held may still come; `at_once` gives it up.
        """
        if not self._held:
            return None
        first = 0
        if len(self._held) > 1:
            places = [self._ahead(chunk, expected) for chunk in self._held]
            first = places.index(min(places))
        if at_once or len(self._held) > MOST_HELD or self._due_s(first, expected) <= now_s:
            return self._held.pop(first)
        return None

    def next_due_s(self, expected: int | None) -> float | None:
        """Return when the next chunk is to go on if nothing else comes; None if none is held."""
        if not self._held:
            return None
        return min(self._due_s(place, expected) for place in range(len(self._held)))

    @property
    def held_samples(self) -> int:
        """Samples per channel that are held."""
        return sum(chunk.frames for chunk in self._held)

    @property
    def spread_s(self) -> float:
        """How late nearly all chunks are at most, against the earliest."""
        return self._lateness.spread_s

    def _ahead(self, chunk: AudioChunk, expected: int | None) -> int:
        assert chunk.first_sample is not None
        return 0 if expected is None else samples_between(expected, chunk.first_sample)

    def _due_s(self, place: int, expected: int | None) -> float:
        chunk = self._held[place]
        ahead = self._ahead(chunk, expected)
        if ahead <= 0 or chunk.first_sample is None:
            return 0.0
        wait_s = min(AMPLE * self._lateness.spread_s, self._wait_max_s)
        return self._lateness.due_s(chunk.first_sample / chunk.rate) + wait_s
