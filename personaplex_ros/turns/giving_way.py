"""Help for a model that talks on when it is interrupted: its sound fades, and it is kept silent."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.audio import Fader

from .events import ROBOT_SILENCED
from .monitor import TurnUpdate

FADE_S = 0.08
RETURN_S = 0.02


class Silenceable(Protocol):
    """The conversation of a model; a session of the engine is one."""

    def keep_silent(self) -> None:
        """Let the model say nothing."""

    def go_on(self) -> None:
        """Leave to the model what it says."""


class GivingWay:
    """Does what `robot_silenced` asks for, in one conversation; for one thread.

    The robot's sound fades within `FADE_S` while the model is kept silent, so that it has said
    what was heard of it. When the robot's stretch of speech has ended, the gain is 1 again and
    the model speaks when it will.
    """

    def __init__(self, sample_rate: int, model: Silenceable) -> None:
        self._fader = Fader(sample_rate)
        self._model = model
        self.helping = False

    def shape(self, samples: NDArray[np.float32]) -> None:
        """Give the robot's next frame, float32 [n], its gain, in place, before it is played."""
        self._fader.apply(samples)

    def follow(self, update: TurnUpdate) -> None:
        """Take what was decided when that frame was played."""
        if any(event.kind == ROBOT_SILENCED for event in update.events):
            self.helping = True
            self._model.keep_silent()
            self._fader.fade(0.0, FADE_S)
        elif self.helping and not update.robot_speaking:
            self.end()

    def end(self) -> None:
        """Let the model go on, as it is asked to speak or a conversation ends."""
        if self.helping:
            self.helping = False
            self._model.go_on()
            self._fader.fade(1.0, RETURN_S)
