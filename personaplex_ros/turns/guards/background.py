"""Telling the person from speech that goes on whatever the robot does, such as a television's."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..detection.activity import Activity

SPEECH = 0.35
"""Probability from which on a window is heard as speech."""
PEAK_S = 0.3
"""The loudest window of so long tells how near somebody is; what is softer between is theirs."""
WATCHED_S = 10.0
"""Of the robot's speech, in which it is looked for who speaks all along."""
GONE = 0.4
"""Of the share that makes such speech: below that it has stopped."""
SOFTER, MARGIN_DB = 0.35, 9.0
"""A person has to be louder by so much than this share of such speech: people who break in are part
of what is heard, so it is not the loudest that counts."""

Sound = NDArray[np.float32]


class BackgroundGuard:
    """Takes for silence what speaks all along while the robot speaks, and what is no louder.

    People who talk to a robot let it speak, or break in for a moment; a television does neither.
    What is heard as speech for such a share of `WATCHED_S` of the robot's speech is one, and from
    then on a window counts as the person only where it is louder by `MARGIN_DB`. A share above 1 is
    never reached. limit_db: the level, None where nothing is learnt.
    """

    def __init__(self, sample_rate: int, frame_size: int, share: float) -> None:
        self.share = share
        self._rate = sample_rate
        self._frame_size = frame_size
        self._heard: deque[float | None] = deque()
        self._peaks: deque[float] = deque()
        self.limit_db: float | None = None
        self.reset()

    def reset(self) -> None:
        """Forget the sound heard last; what was learnt is kept."""
        self._before: Sound = np.zeros(self._frame_size, np.float32)
        self._peaks.clear()

    def push(
        self, samples: Sound, windows: Iterable[Activity], robot_sounds: bool
    ) -> list[Activity]:
        """Return the windows that ended with the frame, the background's with probability 0.

        samples: float32 [frame_size]. robot_sounds: whether the robot sounds in this frame.
        """
        sound = np.concatenate((self._before, samples))
        self._before = samples
        return [self._judge(window, sound, robot_sounds) for window in windows]

    def _judge(self, window: Activity, sound: Sound, robot_sounds: bool) -> Activity:
        first = max(0, self._frame_size + window.offset_samples)
        part = sound[first : first + window.length_samples]
        power = float(np.mean(np.square(part))) if part.size else 0.0
        seconds = window.length_samples / self._rate
        self._peaks.append(10.0 * float(np.log10(power + 1e-12)))
        while len(self._peaks) > max(1, round(PEAK_S / seconds)):
            self._peaks.popleft()
        peak_db = max(self._peaks)
        speech = window.probability >= SPEECH
        if robot_sounds:
            self._learn(peak_db if speech else None, round(WATCHED_S / seconds))
        if self.limit_db is None or peak_db >= self.limit_db:
            return window
        return replace(window, probability=0.0)

    def _learn(self, peak_db: float | None, most: int) -> None:
        self._heard.append(peak_db)
        while len(self._heard) > most:
            self._heard.popleft()
        speech = [level for level in self._heard if level is not None]
        if len(speech) >= self.share * most:
            self.limit_db = float(np.quantile(speech, SOFTER)) + MARGIN_DB
        elif len(speech) < GONE * self.share * most:
            self.limit_db = None
