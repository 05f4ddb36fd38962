"""Telling audio publishers apart where the middleware does not (rclpy hides the publisher)."""

from __future__ import annotations

from collections import OrderedDict

from personaplex_ros.audio import samples_between

MAX_STREAMS = 8
MAX_STRANGE = 3
"""Chunks in a row that continue no stream, after which they are those of one without an index."""


class StreamsByContinuity:
    """Names streams by where their running sample index goes on.

    A chunk belongs to the stream that it continues, with a gap of up to `max_gap_s` or an overlap
    of the same length, or whose index it repeats; any other chunk begins a new stream. After
    `MAX_STRANGE` of those in a row the index is none, and all belong to the stream that last went
    on. The least recently heard of more than `MAX_STREAMS` is forgotten.
    """

    def __init__(self, max_gap_s: float) -> None:
        self._max_gap_s = max_gap_s
        self._last: OrderedDict[int, tuple[int, int]] = OrderedDict()  # first sample, and next
        self._created = 0
        self._steady = 1
        self._strange = 0

    def identify(self, first_sample: int, length: int, rate: int) -> str:
        """Return the name of the stream of a chunk of `length` samples per channel."""
        reach = max(0.0, self._max_gap_s) * max(rate, 0)
        distances = {
            stream: 0 if first_sample == first else abs(samples_between(expected, first_sample))
            for stream, (first, expected) in self._last.items()
        }
        nearest = min(distances, key=distances.__getitem__, default=None)
        if nearest is not None and distances[nearest] <= reach:
            self._strange, self._steady = 0, nearest
        elif self._strange >= MAX_STRANGE:
            nearest = self._steady
        else:
            self._strange += 1
            self._created += 1
            nearest = self._created
        self._last[nearest] = first_sample, first_sample + length
        self._last.move_to_end(nearest)
        if len(self._last) > MAX_STREAMS:
            self._last.popitem(last=False)
        return f"stream {nearest}"
