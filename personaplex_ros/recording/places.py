"""Where in a recording a time of the microphone's clock lies."""

from __future__ import annotations

NS_PER_S = 1_000_000_000
JUMP_NS = 1_000_000  # of stamps against samples, from which on it counts


class Places:
    """Follows stamps and samples over what was not heard, and over clocks that were set."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._known: list[tuple[int, int]] = []  # (stamp, sample) wherever the stamps jump

    def add(self, stamp_ns: int, sample: int) -> None:
        """Take the stamp of a frame and the sample with which it begins."""
        if self._known:
            known_ns, known = self._known[-1]
            expected_ns = known_ns + (sample - known) * NS_PER_S // self._rate
            if abs(stamp_ns - expected_ns) < JUMP_NS:
                return
        self._known.append((stamp_ns, sample))

    def seconds(self, stamp_ns: int) -> float:
        """Return the place of a time, in seconds from the first sample; before it negative.

        What lies in a gap is put to its end.
        """
        following: int | None = None
        for known_ns, known in reversed(self._known):
            if known_ns <= stamp_ns or known == self._known[0][1]:
                sample = known + (stamp_ns - known_ns) * self._rate / NS_PER_S
                return (sample if following is None else min(sample, following)) / self._rate
            following = known
        return 0.0
