"""What the arrival of packets without numbers tells about those that did not come."""

from __future__ import annotations

from collections import deque

WINDOW = 16
"""Packets over which the least delay is taken: what was only late has come by then."""
SLACK_S = 0.1
"""Delay beyond the usual from which a packet is late."""
PAUSE_S = 0.3
"""Time without packets after which the stream is taken to have been interrupted."""


class Pace:
    """Compares samples with the clock: a packet that is lost shifts all later ones by its length.

    Rates are the sender's claim; clocks that differ by less than 0.1 % are followed.
    """

    def __init__(self, rate: int) -> None:
        self.late = 0
        self.lost = 0
        self._rate = rate
        self.begin()

    def begin(self) -> None:
        """Begin anew, as with another sender or after an interruption; keep the counters."""
        self._started_s: float | None = None
        self._heard = 0
        self._usual_s = 0.0
        self._delays: deque[float] = deque(maxlen=WINDOW)

    def take(self, frames: int, at_s: float) -> float:
        """Take a packet of `frames` samples per channel that came at `at_s`, monotonic seconds.

        Returns for how long, beyond what it holds, nothing had come; 0.0 unless the stream was
        interrupted.
        """
        length_s = frames / self._rate
        if self._started_s is None:
            self._started_s = at_s - length_s
        pause_s = at_s - self._started_s - (self._heard + frames) / self._rate - self._usual_s
        if pause_s > PAUSE_S + length_s:
            self.begin()
            self._started_s, self._heard = at_s - length_s, frames
            return pause_s
        self._heard += frames
        self._delays.append(pause_s + self._usual_s)
        if pause_s > SLACK_S:
            self.late += 1
        if len(self._delays) == WINDOW:
            moved_s = min(self._delays) - self._usual_s
            if moved_s > 0.75 * length_s:
                self.lost += round(moved_s / length_s)
            self._usual_s += moved_s
        return 0.0
