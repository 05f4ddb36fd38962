"""How long it takes from a person's sound to the robot's that answers it, over the network."""

from __future__ import annotations

from collections import deque

MOST_SENT = 250
"""Frames that may be under way, 20 s: of more the oldest are forgotten."""
TOLERANCE = 480
"""Samples of a frame that a decoder may hold back."""
SMOOTHING = 0.05
"""Share of a new measurement in the average."""


class DelayMeter:
    """Pairs sound that was sent with sound that came: the n-th sample answers the n-th.

    What comes while nothing is under way is the server's own. A server that leaves frames out, or
    puts its own in between, shifts the rest of the connection; the round trip of a ping beside it
    tells how much of the delay is the line's.
    """

    def __init__(self) -> None:
        self._sent: deque[tuple[int, float]] = deque(maxlen=MOST_SENT)
        self.answer_s: float | None = None

    def begin(self) -> None:
        """Begin anew, as with another connection."""
        self._sent.clear()
        self.answer_s = None

    def sent(self, count: int, whole_s: float) -> None:
        """Note that `count` samples are sent, the last of which was there at `whole_s`."""
        self._sent.append((count, whole_s))

    def came(self, count: int, now_s: float) -> None:
        """Note that `count` samples of speech came."""
        while count > 0 and self._sent:
            expected, whole_s = self._sent.popleft()
            if count < expected - TOLERANCE:
                self._sent.appendleft((expected - count, whole_s))
                return
            count -= expected
            taken_s = now_s - whole_s
            before = self.answer_s
            self.answer_s = taken_s if before is None else before + SMOOTHING * (taken_s - before)
