"""Telling audio publishers apart where the middleware does not (rclpy hides the publisher)."""

from __future__ import annotations

from collections import OrderedDict

MAX_STREAMS = 8


class StreamsByContinuity:
    """Names streams by where their running sample index goes on.

    A chunk belongs to the stream that it continues, with a gap of up to `max_gap_s` or an overlap
    of the same length; any other chunk begins a new stream. The least recently heard of more than
    `MAX_STREAMS` is forgotten.
    """

    def __init__(self, max_gap_s: float) -> None:
        self._max_gap_s = max_gap_s
        self._next_sample: OrderedDict[int, int] = OrderedDict()
        self._created = 0

    def identify(self, first_sample: int, length: int, rate: int) -> str:
        """Return the name of the stream of a chunk of `length` samples per channel."""
        reach = max(0.0, self._max_gap_s) * max(rate, 0)
        distances = {
            stream: abs(first_sample - expected) for stream, expected in self._next_sample.items()
        }
        nearest = min(distances, key=distances.__getitem__, default=None)
        if nearest is None or distances[nearest] > reach:
            self._created += 1
            nearest = self._created
        self._next_sample[nearest] = first_sample + length
        self._next_sample.move_to_end(nearest)
        if len(self._next_sample) > MAX_STREAMS:
            self._next_sample.popitem(last=False)
        return f"stream {nearest}"
