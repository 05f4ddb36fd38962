"""How long it takes from a person's sound to the robot's that answers it, over the network."""

from __future__ import annotations

from collections import deque

LONGEST_S = 2.0
"""After which sound counts as left out: no server answers it any more."""
MOST_SENT = 250
"""Frames that may be under way."""
TOLERANCE = 480
"""Samples of a frame that a decoder may hold back."""
SMOOTHING = 0.05
"""Share of a new measurement in the average."""


class DelayMeter:
    """Pairs sound that was sent with sound that came: the n-th sample answers the n-th.

    A server may leave frames out, or put its own in between, and tells neither. What comes sooner
    than the shortest round trip takes answers nothing; when the oldest sound that is under way is
    older than `LONGEST_S`, some was left out, and the delay counts on from what it was before.
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

    def came(self, count: int, now_s: float, shortest_s: float) -> None:
        """Note that `count` samples of speech came; shortest_s: of all round trips."""
        self._leave_out(now_s)
        while count > 0 and self._sent and now_s - self._sent[0][1] >= shortest_s:
            expected, whole_s = self._sent.popleft()
            if count < expected - TOLERANCE:
                self._sent.appendleft((expected - count, whole_s))
                return
            count -= expected
            taken_s = now_s - whole_s
            before = self.answer_s
            self.answer_s = taken_s if before is None else before + SMOOTHING * (taken_s - before)

    def _leave_out(self, now_s: float) -> None:
        if self._sent and now_s - self._sent[0][1] > LONGEST_S:
            usual_s = LONGEST_S if self.answer_s is None else min(self.answer_s, LONGEST_S)
            while self._sent and now_s - self._sent[0][1] > usual_s:
                self._sent.popleft()
