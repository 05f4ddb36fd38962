"""Speakers' lines with pauses and ends, as the judge sees them frame by frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from personaplex_ros.audio import resample
from personaplex_ros.training.sound.microphone import Microphone
from personaplex_ros.training.turn_ends.texts import random_turn
from personaplex_ros.training.turn_ends.voices import Say
from personaplex_ros.training.voices.speech import RATE
from personaplex_ros.training.world import World
from personaplex_ros.turns import Activity, SpeechActivity
from personaplex_ros.turns.detection.silero import load_silero
from personaplex_ros.turns.judges.turn_end import Manner

FRAME = 1920  # samples, 80 ms
TURNS = (1, 4)  # of a line, the upper limit not among them
PAUSE_MEDIAN_S, PAUSE_SPREAD = 0.55, 0.6  # of a log-normal distribution
PAUSE_S = (0.2, 2.2)
GAP_S = (1.2, 4.5)  # between turns, in which the other speaks
LEAST_SILENCE_S = 0.05  # after which a frame is judged
LAG = 160  # samples at 16 kHz by which the detector hears later
NOT_JUDGED, PAUSE, END = -1, 0, 1

Sound = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Line:
    """What one speaker says: samples float32 [n] at 24 kHz, silences as (start, end, is over)."""

    samples: Sound
    silences: Sequence[tuple[float, float, bool]]


@dataclass(frozen=True, eq=False)
class Judged:
    """A line as the judge sees it: features [T, FEATURES], what each frame is [T], silence [T]."""

    features: Sound
    labels: NDArray[np.int8]
    silence_s: Sound


def pause_s(rng: np.random.Generator) -> float:
    """Draw the length of a pause, most below a second."""
    return float(np.clip(PAUSE_MEDIAN_S * np.exp(PAUSE_SPREAD * rng.normal()), *PAUSE_S))


def random_line(world: World, rng: np.random.Generator, say: Say) -> Line:
    """Draw some turns of one speaker."""
    turns = [random_turn(world, rng) for _ in range(int(rng.integers(*TURNS)))]
    pieces = [[say(text, at < len(turn) - 1) for at, text in enumerate(turn)] for turn in turns]
    return assemble(pieces, rng)


def assemble(turns: Sequence[Sequence[Sound]], rng: np.random.Generator) -> Line:
    """Put the pieces of turns into one line in a room, with pauses between them."""
    microphone = Microphone.draw(rng)
    parts, silences = [], []
    at = round(float(rng.uniform(0.3, 1.5)) * RATE)
    for turn in turns:
        for place, piece in enumerate(turn):
            over = place == len(turn) - 1
            silence = round((float(rng.uniform(*GAP_S)) if over else pause_s(rng)) * RATE)
            parts.append((at, piece))
            end = at + len(piece)
            silences.append((end / RATE, (end + silence) / RATE, over))
            at = end + silence
    dry = np.zeros(at, np.float32)
    for first, piece in parts:
        dry[first : first + len(piece)] = piece
    return Line(np.clip(_heard(dry, microphone, rng), -1.0, 1.0), silences)


def _heard(dry: Sound, microphone: Microphone, rng: np.random.Generator) -> Sound:
    heard = microphone.hear(dry)[: len(dry)]
    return heard + microphone.noise(len(dry), rng)


def judge_lines(lines: Sequence[Line]) -> list[Judged]:
    """Let the detector hear lines, all at once, and the judge's features each of them."""
    heard = _activities([line.samples for line in lines])
    return [_judged(line, activities) for line, activities in zip(lines, heard, strict=True)]


def _activities(sounds: Sequence[Sound]) -> list[list[list[Activity]]]:
    """Return each frame's windows as `SpeechActivity` gives them, of every sound."""
    size, frame = SpeechActivity.WINDOW, round(FRAME * SpeechActivity.RATE / RATE)
    count = max(len(sound) for sound in sounds) // FRAME
    batch = np.zeros((len(sounds), count * frame + size), np.float32)
    for row, sound in zip(batch, sounds, strict=True):
        there = resample(sound, RATE, SpeechActivity.RATE)[: count * frame]
        row[LAG : LAG + len(there)] = there
    network, length = load_silero(), size * RATE // SpeechActivity.RATE
    found: list[list[list[Activity]]] = [[[] for _ in range(count)] for _ in sounds]
    with torch.inference_mode():
        for number in range(count * frame // size):
            window = torch.from_numpy(batch[:, number * size : (number + 1) * size].copy())
            at = (number + 1) * size - 1
            for rows, sure in zip(found, network(window, SpeechActivity.RATE)[:, 0], strict=True):
                offset = number * length - at // frame * FRAME
                rows[at // frame].append(Activity(offset, length, float(sure)))
    return found


def _judged(line: Line, activities: Sequence[Sequence[Activity]]) -> Judged:
    manner = Manner(RATE, FRAME)
    features, silences = [], []
    for first in range(0, len(line.samples) // FRAME * FRAME, FRAME):
        samples = line.samples[first : first + FRAME]
        features.append(manner.push(samples, activities[first // FRAME]))
        silences.append(manner.silence_s if manner.speech_s > 0.0 else 0.0)
    labels = np.full(len(features), NOT_JUDGED, np.int8)
    known_s = (np.arange(len(features)) + 1) * FRAME / RATE
    silent = np.asarray(silences, np.float32)
    for start_s, end_s, over in line.silences:
        inside = (known_s > start_s) & (known_s < end_s) & (silent > LEAST_SILENCE_S)
        inside &= silent < known_s - start_s + 0.3  # not of a silence before that
        labels[inside] = END if over else PAUSE
    return Judged(np.asarray(features, np.float32), labels, silent)
