"""Who speaks in the conversations made here: by rules, or with a voice learnt from recordings."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.audio import resample
from personaplex_ros.training.chance import pick
from personaplex_ros.training.voices.speakers import AGENTS, random_caller
from personaplex_ros.training.voices.speech import RATE, speak
from personaplex_ros.training.voices.speech_bank import sounding

PITCHES = (0.8, 1.2)  # of natural callers, against the one voice there is
PACES = (0.9, 1.15)

Sound = NDArray[np.float32]
Speak = Callable[[str], Sound]  # text -> float32 [n] at 24 kHz, without silence at either end


def caller_voice(rng: np.random.Generator, natural: bool) -> Speak:
    """Draw a caller; nothing was trained on it."""
    if natural:
        return _natural(float(rng.uniform(*PITCHES)), float(rng.uniform(*PACES)))
    voice = random_caller(rng, held_out=True)
    return lambda text: speak(text, voice).samples


def robot_voice(rng: np.random.Generator, natural: bool) -> Speak:
    """Draw a voice of the robot's; there is one that is natural."""
    if natural:
        return _natural(1.0, 1.0)
    voice = pick(list(AGENTS.values()), rng)
    return lambda text: speak(text, voice).samples


def _natural(pitch: float, pace: float) -> Speak:
    """Return the natural voice, higher by a factor and, in all, as much faster."""

    def say(text: str) -> Sound:
        said = np.asarray(_hibari()(text, speed=pace / pitch), np.float32)
        spoken = resample(said, round(RATE * pitch), RATE)
        return spoken[slice(*sounding(spoken))]

    return say


@functools.cache
def _hibari() -> Any:
    from hibari import Hibari

    return Hibari()
