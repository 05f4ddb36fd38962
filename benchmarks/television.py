"""How long a television holds a robot's motion, and whether people are still heard beside it.

usage: python benchmarks/television.py [--television DIR] [--people DIR] [--minutes 7]
       [--levels -10 -20 -30] [--seed 0] [--json FILE]

Needs requirements-test.txt. In a simulated room (6 x 4.5 x 3 m, RT60 0.5 s, pyroomacoustics) a
robot talks; a television 3.3 m away talks all along, with jingles between and music below it, so
many dB softer than a person 1.4 m away would be. First nobody else is there: for how long is
motion held? Then people break in: is their interruption confirmed within 3 s? The same sound is
heard with and without the guard against speech that goes on all along; its first seconds, in which
it learns, count.

The television's programme is made of the WAV files below DIR, else of espeak-ng's callers who tell
stories; the people are those of DIR, else espeak-ng's callers that nothing was trained on.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyroomacoustics
import torch
from echo_rooms import MICROPHONE_M, RATE, SIZE_M, Acoustics, Sound, noise, person_at, sounding_rms
from echo_speakers import amid_speech, people, sounding, talk
from scipy.signal import fftconvolve
from turn_scenes import FRAME, music

from personaplex_ros.audio import read_wave, resample, to_mono
from personaplex_ros.files import write_whole
from personaplex_ros.markdown import markdown_table
from personaplex_ros.training.voices.speakers import random_caller
from personaplex_ros.training.voices.speech import speak
from personaplex_ros.training.world import load_world
from personaplex_ros.turns import TurnMonitor, TurnParameters
from personaplex_ros.turns.events import CONFIRMED, INTERRUPTION
from personaplex_ros.turns.parameters import NEVER

TELEVISION_M = (0.4, 3.8, 1.0)
RT60_S = 0.5
PERSON = 10 ** (-20 / 20)  # RMS of a person's speech at the microphone
ECHO_DB = -40.0  # what the canceller leaves, against the robot
PAUSES_S = (0.3, 1.5)  # of the robot
GAP_S = (0.0, 0.35)  # between what is said on television
JINGLE_CHANCE, JINGLE_S = 0.08, 3.0  # after something said
MUSIC_DB = -14.0  # below the speech
EVERY_S, WITHIN_S, EARLY_S = 9.0, 3.0, 0.3  # people who break in


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--television", type=Path, metavar="DIR")
    parser.add_argument("--people", type=Path, metavar="DIR")
    parser.add_argument("--minutes", type=float, default=7.0)
    parser.add_argument("--levels", type=float, nargs="+", default=[-10.0, -20.0, -30.0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = list(measure(arguments))
    print(table(rows))
    if arguments.json:
        text = json.dumps(rows, indent=1) + "\n"
        write_whole(arguments.json, lambda path: path.write_text(text))


def measure(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    rng = np.random.default_rng(arguments.seed)
    count = round(arguments.minutes * 60.0 * RATE) // FRAME * FRAME
    robot = talk(count / RATE, PAUSES_S, rng)
    television = on_television(programme(arguments.television, count, rng))
    visitors, onsets = break_in(robot, people(arguments.people, arguments.seed), rng)
    quiet = noise(count, rng) + np.roll(robot, 1440) * np.float32(10 ** (ECHO_DB / 20))
    for level_db in (-np.inf, *arguments.levels):
        beside = quiet + television * np.float32(PERSON * 10 ** (level_db / 20))
        for guarded in (False, True):
            held, _ = follow(beside, robot, guarded)
            _, begun = follow(beside + visitors, robot, guarded)
            missed = sum(not _answered(onset, begun) for onset in onsets)
            yield {"level_db": None if np.isinf(level_db) else level_db, "guarded": guarded,
                   "held": held, "people": len(onsets), "missed": missed}  # fmt: skip


def programme(folder: Path | None, count: int, rng: np.random.Generator) -> Sound:
    """Return speech of several people without gaps for anybody, jingles and music; RMS 1."""
    said, parts, length = _said(folder, rng), [], 0
    while length < count:
        part = next(said)
        gap = np.zeros(round(rng.uniform(*GAP_S) * RATE), np.float32)
        parts += [part / sounding_rms(part), gap]
        if rng.random() < JINGLE_CHANCE:
            parts.append(music(round(JINGLE_S * RATE), 1.0, rng))
        length = sum(map(len, parts))
    speech = np.concatenate(parts)[:count]
    return speech + music(count, 10 ** (MUSIC_DB / 20), rng)


def _said(folder: Path | None, rng: np.random.Generator) -> Iterator[Sound]:
    files = sorted(folder.rglob("*.wav")) if folder else []
    stories = [line for lines in load_world().stories.values() for line in lines]
    while True:
        if files:
            wave = read_wave(files[int(rng.integers(len(files)))])
            samples = resample(to_mono(wave.samples), wave.rate, RATE)
        else:
            samples = speak(str(rng.choice(stories)), random_caller(rng)).samples
        samples = sounding(samples, 0.05)
        if len(samples) > RATE:
            yield samples


def on_television(sound: Sound) -> Sound:
    """Return what the microphone hears of the television, its speech at RMS 1."""
    absorption, order = pyroomacoustics.inverse_sabine(RT60_S, SIZE_M)
    room = pyroomacoustics.ShoeBox(
        SIZE_M, fs=RATE, materials=pyroomacoustics.Material(absorption), max_order=min(order, 40)
    )
    room.add_source(TELEVISION_M)
    room.add_microphone(MICROPHONE_M)
    room.compute_rir()
    heard = fftconvolve(sound, room.rir[0][0])[: len(sound)]
    return (heard / sounding_rms(heard)).astype(np.float32)


def break_in(
    robot: Sound, said: Iterator[Sound], rng: np.random.Generator
) -> tuple[Sound, list[float]]:
    """Return what the microphone hears of people who break in, and when each begins."""
    acoustics, sound, onsets = Acoustics(RT60_S), np.zeros(len(robot), np.float32), []
    at = round(EVERY_S * RATE)
    while at < len(robot) - round(2 * EVERY_S * RATE):
        place = at + int(rng.integers(RATE))
        while not amid_speech(robot, place):
            place += FRAME // 4
        part = person_at(next(said), acoustics, PERSON)[: len(robot) - place]
        sound[place : place + len(part)] += part
        onsets.append(place / RATE)
        at = place + round(EVERY_S * RATE)
    return sound, onsets


def follow(heard: Sound, robot: Sound, guarded: bool) -> tuple[float, list[float]]:
    """Return the share of time in which motion is held, and when confirmed interruptions began."""
    parameters = TurnParameters() if guarded else TurnParameters(background_share=NEVER)
    monitor = TurnMonitor(RATE, FRAME, parameters=parameters)
    held, begun = 0, []
    for first in range(0, len(heard), FRAME):
        part = slice(first, first + FRAME)
        update = monitor.push(heard[part], robot[part], "", first * 1_000_000_000 // RATE)
        held += update.hold
        begun += [
            event.onset_ns / 1e9
            for event in update.events
            if (event.kind, event.state) == (INTERRUPTION, CONFIRMED)
            and event.decided_ns - event.onset_ns < WITHIN_S * 1e9
        ]
    return held * FRAME / len(heard), begun


def _answered(onset_s: float, begun_s: list[float]) -> bool:
    return any(onset_s - EARLY_S <= at_s <= onset_s + WITHIN_S for at_s in begun_s)


def table(rows: list[dict[str, Any]]) -> str:
    """Return the result as a Markdown table."""
    lines = [["television", "guard", "motion held", "people", "missed"]]
    for row in rows:
        level = "none" if row["level_db"] is None else f"{row['level_db']:g} dB"
        lines.append([level, "yes" if row["guarded"] else "no", f"{row['held']:.1%}",
                      str(row["people"]), str(row["missed"])])  # fmt: skip
    return markdown_table(lines)


if __name__ == "__main__":
    main()
