"""From a mono stream with capture stamps to model frames with capture stamps."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from .intake_types import MicrophoneFrame
from .resample import StreamResampler

SECOND_NS = 1_000_000_000


class Framer:
    """Resamples one stream and cuts it into frames; every frame knows when it was captured.

    The stamp of a frame comes from the stamp of the chunk that holds its first sample, so a
    capture clock that drifts against the nominal rate is followed.
    """

    def __init__(self, rate_in: int, rate_out: int, frame_size: int) -> None:
        self._rate_in = rate_in
        self._rate_out = rate_out
        self._resampler = StreamResampler(rate_in, rate_out)
        self._frame = np.zeros(frame_size, np.float32)
        self._filled = 0
        self._received = 0  # input samples
        self._passed = 0  # output samples that were returned in a frame or dropped
        self._anchors: deque[tuple[int, int]] = deque()  # (input sample, its stamp)
        self._debt = 0
        self._debt_until_ns = 0
        self.late_samples = 0  # output samples dropped because silence took their place

    @property
    def partial(self) -> int:
        """Samples of the frame that is not complete yet."""
        return self._filled

    def push(self, samples: NDArray[np.float32], stamp_ns: int) -> list[MicrophoneFrame]:
        """Take samples [n] of which the first was captured at `stamp_ns`; return new frames."""
        self._anchors.append((self._received, stamp_ns))
        self._received += len(samples)
        ready = self._pay_debt(self._resampler.push(samples))
        frames = []
        start = 0
        while start < len(ready):
            count = min(len(ready) - start, len(self._frame) - self._filled)
            self._frame[self._filled : self._filled + count] = ready[start : start + count]
            self._filled += count
            start += count
            if self._filled == len(self._frame):
                # The filter of the resampler may overshoot full scale.
                frame = np.clip(self._frame, -1.0, 1.0)
                frames.append(MicrophoneFrame(frame, self._next_stamp_ns(), filled=False))
                self._filled = 0
                self._passed += len(frame)
        return frames

    def replace_until(self, until_ns: int) -> None:
        """Note that one frame of silence took the place of the audio captured before `until_ns`.

        What was gathered of it is dropped now and what is still to come on arrival, at most one
        frame a call in all. Audio captured later is kept, so a loss costs nothing twice.
        """
        gathered = min(self._filled, self._captured_before(until_ns))
        self._debt += len(self._frame) - gathered
        self._debt_until_ns = until_ns
        self.late_samples += gathered
        self._passed += gathered
        self._filled -= gathered
        self._frame[: self._filled] = self._frame[gathered : gathered + self._filled].copy()

    def _pay_debt(self, ready: NDArray[np.float32]) -> NDArray[np.float32]:
        if self._debt == 0 or len(ready) == 0:
            return ready
        early = max(0, self._captured_before(self._debt_until_ns) - self._filled)
        count = min(early, self._debt, len(ready))
        # The first sample captured after the replaced time settles the matter.
        self._debt = self._debt - count if count < early else 0
        self.late_samples += count
        self._passed += count
        return ready[count:]

    def _captured_before(self, until_ns: int) -> int:
        """Count the samples (output rate) from the first that was not passed over to a time."""
        return max(0, round((until_ns - self._next_stamp_ns()) * self._rate_out / SECOND_NS))

    def _next_stamp_ns(self) -> int:
        """Capture time of the first output sample that was not passed over yet."""
        # The anchor in force is the last one at or before that sample.
        position = self._passed * self._rate_in
        while len(self._anchors) > 1 and self._anchors[1][0] * self._rate_out <= position:
            self._anchors.popleft()
        index, stamp_ns = self._anchors[0]
        since = position - index * self._rate_out
        return stamp_ns + since * SECOND_NS // (self._rate_in * self._rate_out)
