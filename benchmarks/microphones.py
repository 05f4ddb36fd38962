"""What nano understands through bad microphones, with what the node does to sound and without.

usage: python benchmarks/microphones.py [FOLDER...] [--checkpoint nano] [--questions 40]

Questions are asked through a microphone that is soft, overdriven, offset, hums or is a telephone's;
the model hears it as it is, after the node's processing as it is set by default, and with
`gain_control`. The same questions are asked in each case, five a conversation; the room is quiet.
Callers are the voices of the FOLDERs, see `benchmarks/strangers.py`, else espeak-ng's that are kept
from training. Needs requirements-training.txt and livekit.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from strangers import (
    QUESTIONS,
    add_arguments,
    answered,
    asking,
    caller,
    held_out,
    open_stage,
    quiet,
)

from personaplex_ros.audio.echo import EchoCanceller, Processing
from personaplex_ros.estimate import Estimate, share
from personaplex_ros.files import write_whole
from personaplex_ros.markdown import markdown_table
from personaplex_ros.training.evaluation.caller import Caller
from personaplex_ros.training.evaluation.converse import Job, Stage
from personaplex_ros.training.sound.augment import through_rate
from personaplex_ros.training.voices.speech import RATE
from personaplex_ros.training.voices.speech_bank import LEVEL
from personaplex_ros.training.world import load_world

Sound = NDArray[np.float32]

HUM_HZ, HARMONICS = 50, (1.0, 0.5, 0.7, 0.3)
OFFSET = 0.1
GOAL = "within 5 points of clean"
PROCESSINGS = {
    "as it is": None,
    "the node's default": Processing(),
    "with `gain_control`": Processing(gain_control=True),
}


@dataclass(frozen=True)
class Microphone:
    """What becomes of speech and room, and what the microphone adds to both."""

    name: str
    hear: Callable[[Sound], Sound]
    add: Callable[[int], Sound] = lambda count: np.zeros(count, np.float32)


def at(dbfs: float) -> Callable[[Sound], Sound]:
    """Return what makes a caller's speech so loud (RMS)."""
    gain = np.float32(10 ** (dbfs / 20) / LEVEL)
    return lambda samples: gain * samples


def overdriven(by_db: float) -> Callable[[Sound], Sound]:
    """Return what makes the loudest sample of what is said so much louder than full scale."""

    def heard(samples: Sound) -> Sound:
        loudest = max(float(np.abs(samples).max()), 0.4)  # the room alone is not overdriven
        return np.clip(samples / loudest * 10 ** (by_db / 20), -1, 1).astype(np.float32)

    return heard


def hum(dbfs: float) -> Callable[[int], Sound]:
    """Return the hum of the mains at a level (RMS)."""

    def added(count: int) -> Sound:
        time = np.arange(count) / RATE
        parts = [
            gain * np.sin(2 * np.pi * HUM_HZ * (number + 1) * time)
            for number, gain in enumerate(HARMONICS)
        ]
        wave = np.sum(parts, axis=0)
        return (wave / np.sqrt(np.mean(wave**2)) * 10 ** (dbfs / 20)).astype(np.float32)

    return added


MICROPHONES = (
    Microphone("clean, -24 dBFS", at(-24)),
    Microphone("-30 dBFS", at(-30)),
    Microphone("-40 dBFS", at(-40)),
    Microphone("clipped by 6 dB", overdriven(6)),
    Microphone("clipped by 12 dB", overdriven(12)),
    Microphone(f"direct current of {OFFSET}", at(-24), lambda n: np.full(n, OFFSET, np.float32)),
    Microphone("hum at -30 dBFS", at(-24), hum(-30)),
    Microphone("a telephone, 8 kHz", lambda samples: through_rate(samples, 8000)),
)


class Heard(Caller):
    """A caller who is heard after the node's processing."""

    def __init__(self, job: Job, seed: int, processing: Processing | None, size: int) -> None:
        super().__init__(job.plan, np.random.default_rng((seed, 6, job.number)))
        self._processing = None
        if processing is not None:
            self._processing = EchoCanceller(RATE, size, processing)
        self._at_ns = 0

    def frame(self, heard: Sound) -> Sound:
        """Return what the model hears in the next frame."""
        samples = super().frame(heard)  # not beyond full scale
        self._at_ns += len(samples) * 1_000_000_000 // RATE
        if self._processing is None:
            return samples
        return self._processing.process(samples, self._at_ns).for_model


@dataclass(frozen=True)
class Node(Stage):
    """A stage whose callers are heard as a node hears them."""

    processing: Processing | None

    def _caller(self, job: Job) -> Caller:
        return Heard(job, self.seed, self.processing, self.engine.frame_size)


@dataclass(frozen=True)
class Row:
    """How many answers are right through a microphone, after a processing."""

    microphone: str
    processing: str
    right: Estimate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--questions", type=int, default=40, help="through each microphone")
    add_arguments(parser)
    arguments = parser.parse_args()
    rows = list(examined(arguments))
    print(table(rows))
    if arguments.json:
        content = json.dumps([asdict(row) for row in rows], indent=1) + "\n"
        write_whole(arguments.json, lambda place: place.write_text(content))


def examined(arguments: argparse.Namespace) -> Iterator[Row]:
    """Ask through every microphone."""
    stage = open_stage(arguments, load_world())
    for name, processing in PROCESSINGS.items():
        node = Node(stage.engine, stage.world, stage.slots, stage.sampling, stage.seed, processing)
        for microphone in MICROPHONES:
            jobs = asked(stage, arguments.folders, arguments.questions, microphone)
            right = share([one.outcome == "right" for one in answered(node, jobs)])
            yield Row(microphone.name, name, right)


def asked(stage: Stage, folders: list[Path], count: int, microphone: Microphone) -> Iterator[Job]:
    """Plan conversations through a microphone: the same, whichever it is."""
    for number, first in enumerate(range(0, count, QUESTIONS)):
        rng = np.random.default_rng((stage.seed, 31, number))
        name, voice = caller(folders, number, rng)
        questions = held_out(stage.world, voice, min(QUESTIONS, count - first), rng)
        for job in asking(stage.world, name, voice, questions, 1000 * number, quiet, rng):
            plan = job.plan
            noise = microphone.hear(plan.noise) + microphone.add(len(plan.noise))
            said = tuple(
                replace(one, samples=microphone.hear(one.samples)) for one in plan.utterances
            )
            yield replace(job, plan=replace(plan, noise=noise, utterances=said))


def table(rows: list[Row]) -> str:
    """Return the right answers in per cent, a line a microphone."""
    lines = [("microphone", *PROCESSINGS, "n", "goal")]
    for microphone in MICROPHONES:
        found = {row.processing: row.right for row in rows if row.microphone == microphone.name}
        right = [f"{100 * found[name].value:.0f}" for name in PROCESSINGS]
        goal = "" if microphone is MICROPHONES[0] else GOAL
        lines.append((microphone.name, *right, str(next(iter(found.values())).n), goal))
    return markdown_table(lines)


if __name__ == "__main__":
    main()
