"""Sound with exact truth for the turn-taking benchmark: callers, a robot that talks, disturbances.

Callers are those that nothing was trained on. A caller's onset is the first sample of its speech,
which espeak-ng makes without silence before it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

from personaplex_ros.training.conversations.callers import ask, random_intent
from personaplex_ros.training.sound.augment import coloured_noise, reverberate
from personaplex_ros.training.voices.speakers import AGENTS, random_caller
from personaplex_ros.training.voices.speech import RATE, speak
from personaplex_ros.training.voices.speech_bank import LEVEL, at_level
from personaplex_ros.training.world import World, load_world

FRAME = 1920  # samples, 80 ms
LEAD_S, SPEECH_S, TAIL_S = 1.2, 1.6, 0.4  # of a trial: before a caller, at most of one, after
SOUNDING_S = 0.3  # of the robot from a caller's onset on
ECHO_DELAY_S = 0.06  # loudspeaker to microphone, buffers included
RESIDUAL_DB = -40.0  # echo that an echo canceller leaves, against the robot's level
SNRS_DB = (40.0, 20.0, 10.0)

Sound = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Scene:
    """Both sides' samples, float32 [n], n whole frames; when the caller begins, if one does."""

    user: Sound
    robot: Sound
    onset_s: float = float("nan")
    snr_db: float = float("nan")


@functools.cache
def the_world() -> World:
    """Return what can be said; reading it takes a second."""
    return load_world()


def robot_talk(seconds: float, rng: np.random.Generator) -> Sound:
    """Return a robot that talks on, with the pauses of 0.1 to 0.3 s between its sentences."""
    world = the_world()
    voice = AGENTS[str(rng.choice(list(AGENTS)))]
    stories = [sentence for story in world.stories.values() for sentence in story]
    parts, length = [], 0
    while length < seconds * RATE:
        speech = at_level(speak(str(rng.choice(stories)), voice).samples, LEVEL)
        parts += [speech, np.zeros(round(rng.uniform(0.1, 0.3) * RATE), np.float32)]
        length += len(parts[-1]) + len(speech)
    return np.concatenate(parts)[: round(seconds * RATE)]


def caller_scene(rng: np.random.Generator, snr_db: float, over_robot: bool) -> Scene:
    """Return a caller who asks into silence, or breaks in on a robot that is sounding.

    The robot makes no pause in the first 0.3 s: without its sound a begin is no interruption yet.
    """
    kind = "interruption" if over_robot else "question"
    world = the_world()
    voice = random_caller(rng, held_out=True)
    spoken = ask(world, voice, random_intent(world, rng), kind, rng, held_out=True)
    speech = at_level(spoken.speech.samples, LEVEL)[: round(SPEECH_S * RATE)]
    count = round((LEAD_S + SPEECH_S + TAIL_S) * RATE) // FRAME * FRAME
    # Onsets fall anywhere within a frame.
    first = round(LEAD_S * RATE) // FRAME * FRAME + int(rng.integers(FRAME))
    user = coloured_noise(count, rng) * np.float32(LEVEL * 10 ** (-snr_db / 20))
    user[first : first + len(speech)] += speech
    robot = np.zeros(count, np.float32)
    if over_robot:
        robot = robot_talk(count / RATE, rng)
        while not _sounds(robot[first : first + round(SOUNDING_S * RATE)]):
            robot = robot_talk(count / RATE, rng)
        user += echo(robot, RESIDUAL_DB, rng)
    return Scene(user, robot, first / RATE, snr_db)


def _sounds(samples: Sound) -> bool:
    """Return whether every 60 ms of the samples hold sound."""
    parts = samples[: len(samples) // 1440 * 1440].reshape(-1, 1440)
    return bool(np.all(np.abs(parts).max(axis=1) > LEVEL / 10))


def disturbed_scene(make: Callable[[Sound], Sound], seconds: float, seed: int) -> Scene:
    """Return a robot that talks while nobody speaks to it; `make` gives what the mic hears of it.

    `make` takes the robot's samples [n] and returns the microphone's [n].
    """
    count = round(seconds * RATE) // FRAME * FRAME
    robot = robot_talk(count / RATE, np.random.default_rng(seed))
    return Scene(make(robot), robot)


def echo(robot: Sound, gain_db: float, rng: np.random.Generator) -> Sound:
    """Return the robot's speech as its microphone hears it: later, in a room, at `gain_db`."""
    late = np.pad(robot, (round(ECHO_DELAY_S * RATE), 0))[: len(robot)]
    return reverberate(late, rng) * np.float32(10 ** (gain_db / 20))


def music(count: int, level: float, rng: np.random.Generator) -> Sound:
    """Return triads of plucked tones with six harmonics, four a second, at RMS `level`."""
    sound = np.zeros(count)
    step = RATE // 4
    time = np.arange(2 * step) / RATE
    envelope = np.exp(-3.0 * time) * np.minimum(1.0, time / 0.005)
    for first in range(0, count - 2 * step, step):
        root = 110.0 * 2 ** (rng.integers(0, 25) / 12)
        for interval in (0, rng.choice((3, 4)), 7):
            pitch = root * 2 ** (interval / 12)
            harmonics = (np.sin(2 * np.pi * pitch * k * time) / k for k in range(1, 7))
            sound[first : first + 2 * step] += envelope * sum(harmonics)
    return at_level(sound.astype(np.float32), level)


def coughs(count: int, level: float, rng: np.random.Generator) -> Sound:
    """Return a cough of one to three bursts every two seconds.

    A burst is noise of 300 to 3000 Hz, 0.1 to 0.3 s long, that rises within 10 ms and decays; while
    it lasts its RMS is `level`.
    """
    band = butter(2, (300, 3000), "bandpass", fs=RATE, output="sos")
    sound = np.zeros(count, np.float32)
    for start in range(RATE // 2, count - 2 * RATE, 2 * RATE):
        first = start
        for _ in range(rng.integers(1, 4)):
            length = round(rng.uniform(0.1, 0.3) * RATE)
            time = np.arange(length) / RATE
            shape = np.minimum(1.0, time / 0.01) * np.exp(-4.0 * time * RATE / length)
            burst = sosfilt(band, rng.standard_normal(length)) * shape
            sound[first : first + length] += at_level(burst.astype(np.float32), level)
            first += length + round(rng.uniform(0.05, 0.15) * RATE)
    return sound


def disturbances(seed: int) -> dict[str, Callable[[Sound], Sound]]:
    """Return what a microphone hears in place of a caller, by name; levels against speech's."""

    def quiet(count: int) -> Sound:
        return coloured_noise(count, np.random.default_rng(seed)) * np.float32(LEVEL / 100)

    def loud_noise(robot: Sound) -> Sound:
        rng = np.random.default_rng(seed + 1)
        parts = [coloured_noise(5 * RATE, rng) for _ in range(len(robot) // (5 * RATE) + 1)]
        return np.concatenate(parts)[: len(robot)] * np.float32(LEVEL / 2)

    def with_echo(gain_db: float) -> Callable[[Sound], Sound]:
        return lambda robot: (
            echo(robot, gain_db, np.random.default_rng(seed + 4)) + quiet(len(robot))
        )

    return {
        "quiet room, -40 dB": lambda robot: quiet(len(robot)),
        "noise, -6 dB": loud_noise,
        "music, -6 dB": lambda robot: (
            music(len(robot), LEVEL / 2, np.random.default_rng(seed + 2)) + quiet(len(robot))
        ),
        "coughs, 0 dB": lambda robot: (
            coughs(len(robot), LEVEL, np.random.default_rng(seed + 3)) + quiet(len(robot))
        ),
        "echo, -40 dB": with_echo(-40.0),
        "echo, -32 dB": with_echo(-32.0),
        "echo, -20 dB": with_echo(-20.0),
    }
