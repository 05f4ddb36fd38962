"""Telling the person from the robot's own voice in the microphone, by level."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .activity import Activity

REACH_S = 0.5  # by so much the echo may come later: buffers of playback, the way, the room


class EchoGuard:
    """Takes what is as soft as an echo of the robot for silence.

    A window of the person counts only where its level is at most `loss_db` below the loudest
    window as long of the robot in the last half second. What the loudspeaker sends back to the
    microphone is weaker than what was played by the echo return loss; `loss_db` must be less than
    that. It also hides a person who is softer than this, while the robot speaks and just after.
    """

    def __init__(self, sample_rate: int, frame_size: int, loss_db: float) -> None:
        self._frame_size = frame_size
        self._factor = 10.0 ** (-loss_db / 10.0)
        self._frames = max(1, round(REACH_S * sample_rate / frame_size))
        self.reset()

    def reset(self) -> None:
        """Forget everything heard so far."""
        self._before: NDArray[np.float32] = np.zeros(self._frame_size, np.float32)
        self._robot_powers: deque[float] = deque(maxlen=self._frames)

    def push(
        self,
        user_samples: NDArray[np.float32],
        robot_samples: NDArray[np.float32],
        windows: Iterable[Activity],
    ) -> list[Activity]:
        """Return the person's windows that ended with the frame, echo with probability 0.

        Samples are float32 [frame_size]; a window may begin up to a frame before its frame.
        """
        windows = list(windows)
        heard = np.concatenate((self._before, user_samples))
        self._before = user_samples
        if windows:
            self._robot_powers.append(_loudest(robot_samples, windows[0].length_samples))
        limit = self._factor * max(self._robot_powers, default=0.0)
        guarded = []
        for window in windows:
            first = self._frame_size + window.offset_samples
            part = heard[max(0, first) : first + window.length_samples]
            silent = part.size > 0 and float(np.mean(np.square(part))) < limit
            guarded.append(replace(window, probability=0.0) if silent else window)
        return guarded


def _loudest(samples: NDArray[np.float32], length: int) -> float:
    """Return the greatest mean power of the parts of `length` samples, the last one shorter."""
    return max(
        float(np.mean(np.square(samples[first : first + length])))
        for first in range(0, len(samples), length)
    )
