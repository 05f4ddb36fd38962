"""A microphone in a room: what becomes of a caller's voice before the model hears it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.training.sound.augment import (
    coloured,
    coloured_noise,
    reverberate,
    through_rate,
)
from personaplex_ros.training.voices.speech import RATE
from personaplex_ros.training.voices.speech_bank import LEVEL, at_level

LEVELS_DB = (-10, 4)  # of speech, against that of the robot
NOISE_DB = (-75, -42)  # against full scale
ROOM_CHANCE, CHEAP_CHANCE = 0.35, 0.25
NOISELESS_CHANCE = 0.15  # exact silence between the words, as in simulation
TAIL_S = 0.5  # of a room
COLOURED_CHANCE = 0.6  # that microphone and room have a timbre of their own
TOO_LOUD_CHANCE, TOO_LOUD_DB = 0.06, (6, 21)  # of an input that is set badly: until it clips
TOO_SOFT_CHANCE, TOO_SOFT_DB = 0.08, (-18, -8)


@dataclass(frozen=True)
class Microphone:
    """Level, room, noise and band, the same for all that one caller says."""

    level: float  # RMS of speech
    room: int | None  # the seed of a room
    rate: int | None  # Hz, of a cheap microphone
    floor: float  # RMS of the noise

    @staticmethod
    def draw(rng: np.random.Generator) -> Microphone:
        """Draw a microphone in a room."""
        level = LEVEL * 10 ** (rng.uniform(*LEVELS_DB) / 20)
        room = int(rng.integers(2**31)) if rng.random() < ROOM_CHANCE else None
        floor = min(10 ** (rng.uniform(*NOISE_DB) / 20), level / 6)
        if rng.random() < NOISELESS_CHANCE:
            floor = 0.0
        rate = int(rng.choice((16_000, 16_000, 8_000))) if rng.random() < CHEAP_CHANCE else None
        return Microphone(level, room, rate, floor)

    def hear(self, speech: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what comes of speech [n] at 24 kHz: [n + the room's tail], without the noise."""
        heard = np.pad(at_level(speech, self.level), (0, round(TAIL_S * RATE)))
        if self.room is not None:
            heard = reverberate(heard, np.random.default_rng(self.room))
        return self._band(heard)

    def noise(self, count: int, rng: np.random.Generator) -> NDArray[np.float32]:
        """Return ``count`` samples of the noise."""
        return self._band(coloured_noise(count, rng) * np.float32(self.floor))

    def _band(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        return samples if self.rate is None else through_rate(samples, self.rate)


def through_input(heard: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return what comes of all that is heard [n] by an input of some timbre, set well or badly."""
    if rng.random() < COLOURED_CHANCE:
        heard = coloured(heard, rng)
    return np.clip(heard * input_gain(rng), -1, 1)


def input_gain(rng: np.random.Generator) -> np.float32:
    """Return by how much an input is louder than it should be: mostly 1."""
    chance = rng.random()
    if chance < TOO_LOUD_CHANCE:
        limits = TOO_LOUD_DB
    elif chance < TOO_LOUD_CHANCE + TOO_SOFT_CHANCE:
        limits = TOO_SOFT_DB
    else:
        return np.float32(1.0)
    return np.float32(10 ** (rng.uniform(*limits) / 20))
