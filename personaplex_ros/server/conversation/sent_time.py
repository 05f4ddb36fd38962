"""The time of a conversation as the client counts it: by all that it has sent."""

from __future__ import annotations

MOST = 64
"""Changes that are remembered; each loss of frames is one, and each frame of silence for them."""


class SentTime:
    """From the model's time, which is that of the frames it heard, to the client's.

    They differ where frames that were sent were never heard, or silence was heard in their stead.
    `follow` is for one thread, the rest for any. All times are nanoseconds.
    """

    def __init__(self, frame_ns: int) -> None:
        self._least_ns = frame_ns // 2
        self._later: tuple[tuple[int, int], ...] = ((0, 0),)  # from a time on, by how much

    def follow(self, time_ns: int, sent_ns: int) -> None:
        """Note that what is heard from `time_ns` on was sent at `sent_ns`."""
        later_ns = sent_ns - time_ns
        if abs(later_ns - self._later[-1][1]) >= self._least_ns:
            self._later = (*self._later[1 - MOST :], (time_ns, later_ns))

    def of(self, time_ns: int) -> int:
        """Return the client's time of one of the model's."""
        later = self._later
        known = (later_ns for since_ns, later_ns in reversed(later) if since_ns <= time_ns)
        return time_ns + next(known, later[0][1])
