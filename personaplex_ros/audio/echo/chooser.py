"""What the model hears: people as they are where that can be, and no robot where it cannot."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

AUDIBLE = 10**-6
"""Power of an echo that is no louder than the noise of a quiet room."""
LOUDER_DB = 9.0
"""By so much a frame in which a person speaks is louder than what is usually left of the echo."""
MOST_DB = 9.0
"""By so much that may be louder than the filter knows, as where a loudspeaker distorts."""
STEP_DB, CAREFUL_DB = 0.1, 0.03
"""How fast a frame changes what is usual, and one in which a person may speak."""
HOLD_S = 0.4
"""For which a person is then listened to: the begins and ends of words are soft."""
LATE_S = 0.01
"""By so much a suppressor is late."""

Sound = NDArray[np.float32]


class Chooser:
    """Chooses, for each frame, between what a filter left of the microphone and a suppressor's.

    A suppressor takes away some of who speaks while the robot does, a filter takes nothing of them
    and leaves a little of the robot. What the filter left is delayed as a suppressor delays, and
    loses its means of 20 ms as those lose what is below speech, so that one may follow the other.
    """

    def __init__(self, rate: int, frame_size: int) -> None:
        self._hold = round(HOLD_S * rate / frame_size)
        self._since_person = self._hold + 1  # frames
        self._usual_db = 0.0
        self._late = round(LATE_S * rate)
        self._fade = np.minimum(np.arange(1, frame_size + 1, dtype=np.float32) / self._late, 1.0)
        self._before: Sound = np.zeros(2 * self._late, np.float32)
        self._filtered = False  # the last frame was

    def choose(self, suppressed: Sound, filtered: Sound, left: float | None) -> Sound:
        """Return a frame, float32 [frame_size], from one or the other, or from one to the other.

        left: power of echo that is left in `filtered`, None where that is not to be heard.
        """
        whole = np.concatenate((self._before, filtered))
        self._before = whole[-2 * self._late :]
        person = left is not None and self._is_person(filtered, left)
        self._since_person = 0 if person else self._since_person + 1
        before = self._filtered
        self._filtered = left is not None and (left < AUDIBLE or self._since_person <= self._hold)
        if not (before or self._filtered):
            return suppressed
        passed = self._passed(whole)
        if before and self._filtered:
            return passed
        old, new = (suppressed, passed) if self._filtered else (passed, suppressed)
        return old + self._fade * (new - old)

    def _passed(self, whole: Sound) -> Sound:
        width = 2 * self._late
        sums = np.cumsum(whole, dtype=np.float64)
        means = (sums[width:] - sums[:-width]) / width
        passed: Sound = (whole[self._late : -self._late] - means).astype(np.float32)
        return passed

    def _is_person(self, filtered: Sound, left: float) -> bool:
        """Compare a frame with what is left of the echo, and with how much that usually is."""
        over_db = 10.0 * math.log10(float(np.mean(np.square(filtered))) / left + 1e-9)
        person = over_db > self._usual_db + LOUDER_DB
        step_db = CAREFUL_DB if person else STEP_DB
        changed_db = self._usual_db + math.copysign(step_db, over_db - self._usual_db)
        self._usual_db = min(max(changed_db, 0.0), MOST_DB)
        return person
