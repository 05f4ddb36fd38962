"""When the model's next frame is due, and whether the microphone's audio or silence is in it."""

from __future__ import annotations

import time
from collections.abc import Callable

from personaplex_ros.audio import MicrophoneFrame, MicrophoneIntake
from personaplex_ros.node.hosts.messages import NS_PER_S


class Pace:
    """Takes frames from the intake as they come; for the model's thread.

    When no audio comes for a while, silence takes its place at the frames' own pace until audio
    comes again; `filling` tells whether it does now. frame_s: length of a frame. now_ns: the
    clock of the microphone's stamps.
    """

    def __init__(self, intake: MicrophoneIntake, frame_s: float, now_ns: Callable[[], int]) -> None:
        self._intake = intake
        self._frame_s = frame_s
        self._now_ns = now_ns
        self._silence_due: float | None = None
        self._arrived = 0
        self.filling = False

    def next_frame(self, late_s: float, wait_s: float) -> MicrophoneFrame | None:
        """Wait for audio, at most `wait_s`, or until silence is due, `late_s` after the last.

        None after that wait. As long as audio arrives, late as it may be, silence is not due: it
        would take the place of the next frame again and again, and the robot would be deaf.
        """
        now = time.monotonic()
        arrived = self._intake.chunks_arrived
        if self._silence_due is None or arrived != self._arrived:
            self._arrived = arrived
            self._silence_due = now + late_s
        frame = self._intake.take(min(max(0.0, self._silence_due - now), wait_s))
        if frame is not None:
            self.filling = False
            self._silence_due = None
            return frame
        now = time.monotonic()
        if now < self._silence_due or self._intake.chunks_arrived != self._arrived:
            return None
        self.filling = True
        # A model slower than real time must not owe silence for ever.
        self._silence_due = max(self._silence_due, now - self._frame_s) + self._frame_s
        # What is missing now should have been captured before the wait for it.
        return self._intake.fill(self._now_ns() - round(late_s * NS_PER_S))
