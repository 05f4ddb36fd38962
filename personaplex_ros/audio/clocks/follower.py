"""Finds by how much two clocks run apart, from what waits between them."""

from __future__ import annotations

SMOOTHING_S = 5.0
"""Time over which the level is averaged."""
BANDWIDTH = 0.02
"""Of the loop, in radians a second: slow enough for no ear, fast enough for a warming crystal."""
PROPORTIONAL, INTEGRAL = 1.4 * BANDWIDTH, BANDWIDTH**2
MOST = 1e-3
"""Largest change of pace: 1.7 hundredths of a semitone, five times what sound cards differ by."""


class ClockFollower:
    """A slow PI controller: from seconds too many that wait, to the pace of what is added.

    `pace` is the share of samples to make more than there are; negative makes fewer.
    """

    def __init__(self) -> None:
        self.pace = 0.0
        self._drift = 0.0
        self._smooth_s: float | None = None

    def follow(self, excess_s: float, elapsed_s: float) -> float:
        """Take a measurement, `elapsed_s` after the one before; return the pace from now on."""
        if self._smooth_s is None:
            self._smooth_s = excess_s
        self._smooth_s += min(1.0, elapsed_s / SMOOTHING_S) * (excess_s - self._smooth_s)
        wanted = self._drift - PROPORTIONAL * self._smooth_s
        self.pace = min(max(wanted, -MOST), MOST)
        if wanted == self.pace:  # else the clocks are not what the level comes from
            self._drift -= INTEGRAL * self._smooth_s * elapsed_s
        return self.pace

    def lose(self) -> None:
        """Forget the level, where it was changed otherwise; what is known of the clocks stays."""
        self._smooth_s = None

    @property
    def drift(self) -> float:
        """By which share the reader's clock is the faster one, as far as is known."""
        return self._drift
