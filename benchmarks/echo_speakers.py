"""Who speaks in the echo benchmark: a robot, and people who break in while it does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from echo_rooms import RATE, Sound, sounding_rms
from hibari import Hibari

from personaplex_ros.audio import read_wave, resample, to_mono
from personaplex_ros.training.conversations.callers import ask, random_intent
from personaplex_ros.training.voices.speakers import random_caller
from personaplex_ros.training.world import load_world
from personaplex_ros.turns import TurnParameters

ROBOT = 10 ** (-23 / 20)  # RMS of its speech, as samples
LONGEST_S = 2.5  # that a person speaks
SENTENCES = (
    "Good morning and welcome. The meeting rooms are on the second floor, past the lifts.",
    "We are open from nine in the morning until five in the evening, except on Sundays.",
    "If you follow the corridor to the end, you will find the cafeteria next to the window.",
    "I would be glad to help you. Could you tell me the name of the person you are visiting?",
    "The library closes at eight tonight, but the reading room stays open until ten.",
    "Yes, there is a parking garage below the building, and the first hour costs nothing.",
    "Please take a seat over there. Somebody will fetch you in about ten minutes.",
    "That is a good question. As far as I know the train leaves every half hour.",
    "You can leave your coat and your bag in the lockers opposite the entrance.",
    "The exhibition on the ground floor shows paintings from four centuries.",
)


def talk(seconds: float, pauses_s: tuple[float, float], rng: np.random.Generator) -> Sound:
    """Return a robot's sentences with pauses."""
    voice, parts, length = Hibari(), [], 0
    spoken = [sounding(np.asarray(voice(text), np.float32), 0.02) for text in SENTENCES]
    while length < seconds * RATE:
        pause = np.zeros(round(rng.uniform(*pauses_s) * RATE), np.float32)
        parts += [spoken[int(rng.integers(len(spoken)))], pause]
        length += len(parts[-1]) + len(parts[-2])
    samples = np.concatenate(parts)[: round(seconds * RATE)]
    return (ROBOT / sounding_rms(samples) * samples).astype(np.float32)


def people(folder: Path | None, seed: int) -> Iterator[Sound]:
    """Yield what people say, from its first sound on, for ever."""
    rng = np.random.default_rng((seed, 1))
    files = sorted(folder.rglob("*.wav")) if folder else []
    world = load_world()
    while True:
        if files:
            wave = read_wave(files[int(rng.integers(len(files)))])
            samples = resample(to_mono(wave.samples), wave.rate, RATE)
        else:
            caller = random_caller(rng, held_out=True)
            intent = random_intent(world, rng)
            samples = ask(world, caller, intent, "interruption", rng, held_out=True).speech.samples
        samples = sounding(samples, 0.05)
        if len(samples) > RATE // 2:
            yield samples[: round(LONGEST_S * RATE)]


def sounding(samples: Sound, share: float) -> Sound:
    """Return samples from the first to the last that has that share of the greatest."""
    loud = np.flatnonzero(np.abs(samples) > share * np.abs(samples).max())
    return samples[loud[0] : loud[-1] + 1] if len(loud) else samples[:0]


def amid_speech(robot: Sound, at: int) -> bool:
    """Return whether the robot is amid its speech, so that who begins to speak then breaks in."""
    before, last, soon, after = (
        _active(robot[at + round(a * RATE) : at + round(b * RATE)])
        for a, b in ((-0.5, 0.0), (-0.1, 0.0), (0.0, 0.25), (0.0, 1.0))
    )
    return before >= 0.7 and last == 1.0 and soon >= 0.8 and after >= 0.6


def _active(samples: Sound) -> float:
    """Return the share of 20 ms in which the robot sounds by the tracker's measure."""
    windows = samples[: len(samples) // 480 * 480].reshape(-1, 480)
    loud = np.mean(np.square(windows), axis=1) >= 10 ** (TurnParameters().robot_on_dbfs / 10)
    return float(np.mean(loud)) if len(loud) else 0.0
