"""What nano makes of a loud place, of nobody, and of what it cannot know.

usage: python benchmarks/surroundings.py [FOLDER...] [--sounds DIR] [--checkpoint nano]
       [--questions 40] [--minutes 4] [--seed 0] [--json FILE]

Questions are asked amid music, babble and a telephone that rings, as loud as the caller and 10 dB
softer; then for minutes nobody asks anything; then callers ask for what the robot cannot know, and
people greet it.
Callers are the voices of the FOLDERs, see `benchmarks/strangers.py`, else espeak-ng's that are kept
from training. The sounds of a kind are the WAV files in its folder below DIR (music, babble,
telephone, laughter, television, coughs), else those that nano's training makes up itself, which the
table says. Where DIR has folders hello, goodbye and thanks, each recording in them is said to the
robot. `benchmarks/surroundings_sounds.py` makes such a DIR. Needs requirements-training.txt.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from strangers import (
    Room,
    add_arguments,
    answered,
    asking,
    caller,
    held_out,
    job,
    open_stage,
    quiet,
)

from personaplex_ros.audio import read_wave, resample, to_mono
from personaplex_ros.estimate import Estimate, bootstrap, mean, share
from personaplex_ros.files import write_whole
from personaplex_ros.markdown import markdown_table
from personaplex_ros.training.chance import pick
from personaplex_ros.training.evaluation.converse import Dialogue, Job, Stage
from personaplex_ros.training.evaluation.scenarios import Utterance
from personaplex_ros.training.evaluation.sound import spans
from personaplex_ros.training.sound import sounds
from personaplex_ros.training.voices.speakers import Callers, random_caller
from personaplex_ros.training.voices.speech import RATE
from personaplex_ros.training.voices.speech_bank import LEVEL, at_level
from personaplex_ros.training.world import World, load_world

Sound = NDArray[np.float32]

AMID = ("music", "babble", "telephone")
NOBODY = ("laughter", "television", "babble", "coughs", "music", "telephone")
PEOPLE = {"hello": "greeting", "goodbye": "goodbye", "thanks": "thanks"}  # folder: intent
SNR_DB = (0, 10)
NOBODY_DB = (0, 20)  # softer than a caller
MINUTE_S = 60.0
SETTLED_S = 0.8  # of silence, after which what the robot says is another answer
PAUSE_S = (0.2, 2.0)  # between sounds that are short
PEOPLE_BABBLING = 5
GREETS_AFTER_S = 1.5
ASKED_OF_A_VOICE = 10  # questions
CANNOT_KNOW = (
    "Where can I rent a bicycle?", "How do I get to Jupiter?", "Who painted this picture?",
    "Why do cats sleep so much?", "How many planets are there?", "When does the sun set?",
    "What is the price of gold?", "Do you believe in ghosts?", "Which river is the longest?",
    "How do you bake bread?", "What is seven times eight?", "Who invented the telephone?",
    "Why is the sky blue?", "How heavy is an elephant?", "Can you recommend a film?",
    "What did you eat for breakfast?", "Where were you born?", "Who is your mother?",
    "What happened in the year nineteen hundred?", "How fast can a horse run?",
    "What language do they speak in Brazil?", "Which tree is that?", "How deep is the ocean?",
    "Which team do you support?", "What is the best song ever?", "How long do turtles live?",
    "Is there life on Mars?", "How do I tie a tie?", "When was the first train built?",
    "What is the largest city in Canada?",
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A line of the table: a share, or answers a minute."""

    what: str
    estimate: Estimate
    goal: str
    unit: str
    made_here: bool  # whether its sounds are those of the training


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sounds", type=Path, metavar="DIR")
    parser.add_argument("--questions", type=int, default=40, help="amid each kind and level")
    parser.add_argument("--minutes", type=int, default=4, help="of each kind, that nobody asks")
    add_arguments(parser)
    arguments = parser.parse_args()
    stage = open_stage(arguments, load_world())
    examination = Examination(stage, arguments.folders, arguments.sounds)
    rows = list(examination.rows(arguments.questions, arguments.minutes))
    print(table(rows))
    if arguments.json:
        content = json.dumps([asdict(row) for row in rows], indent=1) + "\n"
        write_whole(arguments.json, lambda place: place.write_text(content))


@dataclass(frozen=True)
class Examination:
    """Conversations in loud places."""

    stage: Stage
    folders: list[Path]  # of callers
    sounds: Path | None

    def rows(self, questions: int, minutes: int) -> Iterator[Row]:
        """Yield the lines of the table."""
        for kind in AMID:
            make, made_here = self._sound(kind)
            for snr_db in SNR_DB:
                right = self._asked(questions, louder(make, -snr_db))
                goal = ">= 50" if snr_db == 0 else ">= 85"
                yield Row(f"right answer amid {kind}, {snr_db} dB", right, goal, "%", made_here)
        for kind in NOBODY:
            make, made_here = self._sound(kind)
            said = self._unasked(minutes, make)
            yield Row(f"answers to nobody, a minute of {kind}", said, "<= 0.5", "", made_here)
        unknown = self._right(self._beyond())
        yield Row("says that it does not know", unknown, ">= 85", "%", False)
        if self.sounds and (greetings := list(people(self.sounds))):
            understood = self._right(self._greeting(greetings))
            yield Row("hello, goodbye and thanks of people", understood, ">= 70", "%", False)

    def _sound(self, kind: str) -> tuple[Room, bool]:
        files = sorted((self.sounds / kind).glob("*.wav")) if self.sounds else []
        if files:
            one = from_files(files)
            return (several(one) if kind == "babble" else one), False
        return made_up(kind, self.stage.world), True

    def _asked(self, count: int, room: Room) -> Estimate:
        """Return how many of so many questions are answered rightly."""

        def jobs() -> Iterator[Job]:
            world, seed = self.stage.world, self.stage.seed
            for number, first in enumerate(range(0, count, ASKED_OF_A_VOICE)):
                rng = np.random.default_rng((seed, 21, number))
                name, voice = caller(self.folders, number, rng)
                some = min(ASKED_OF_A_VOICE, count - first)
                questions = held_out(world, voice, some, rng)
                yield from asking(world, name, voice, questions, 1000 * number, room, rng)

        return self._right(jobs())

    def _beyond(self) -> Iterator[Job]:
        """Let espeak-ng's callers ask what cannot be known: no folder has these questions."""
        questions = [("fallback", text) for text in CANNOT_KNOW]
        for first in range(0, len(questions), ASKED_OF_A_VOICE):
            rng = np.random.default_rng((self.stage.seed, 24, first))
            voice, some = random_caller(rng, held_out=True), questions[first:][:ASKED_OF_A_VOICE]
            yield from asking(self.stage.world, "espeak-ng", voice, some, 1000 * first, quiet, rng)

    def _greeting(self, greetings: list[Utterance]) -> Iterator[Job]:
        world = self.stage.world
        for number, utterance in enumerate(greetings):
            rng = np.random.default_rng((self.stage.seed, 23, number))
            yield job(world, number, "people", (utterance,), quiet, rng)

    def _right(self, jobs: Iterator[Job]) -> Estimate:
        return share([one.outcome == "right" for one in answered(self.stage, jobs)])

    def _unasked(self, minutes: int, make: Room) -> Estimate:
        """Return how often the robot begins to speak in a minute."""

        def jobs() -> Iterator[Job]:
            world = self.stage.world
            for number in range(minutes):
                rng = np.random.default_rng((self.stage.seed, 22, number))
                softer_db = float(rng.uniform(*NOBODY_DB))
                heard = louder(make, -softer_db)(MINUTE_S, rng)
                yield job(world, number, "nobody", (), lambda *_, heard=heard: heard, rng)

        return bootstrap([begins(one) for one in self.stage.run(jobs())], mean)


def begins(dialogue: Dialogue) -> int:
    """Return how often the robot begins to say something."""
    ends_s, count = -SETTLED_S, 0
    for start_s, end_s in spans(dialogue.sound):
        count += start_s - ends_s >= SETTLED_S
        ends_s = end_s
    return count


def people(folder: Path) -> Iterator[Utterance]:
    """Yield what people say who greet, take their leave or give thanks, as one question each."""
    for name, intent in PEOPLE.items():
        for file in sorted((folder / name).glob("*.wav")):
            samples = at_level(read(file))
            duration_s = len(samples) / RATE
            yield Utterance("question", file.stem, intent, GREETS_AFTER_S, samples, duration_s, ())


def read(file: Path) -> Sound:
    """Return a file's sound: float32 [n] at 24 kHz."""
    wave = read_wave(file)
    return resample(to_mono(wave.samples), wave.rate, RATE)


def louder(make: Room, by_db: float) -> Room:
    """Return sound so much louder than a caller, in a quiet room."""

    def made(seconds: float, rng: np.random.Generator) -> Sound:
        sound = at_level(make(seconds, rng), LEVEL * 10 ** (by_db / 20))
        return sound + quiet(seconds, rng)[: len(sound)]

    return made


def from_files(files: list[Path]) -> Room:
    """Return what plays files one after the other, each from anywhere and at the same level."""

    def made(seconds: float, rng: np.random.Generator) -> Sound:
        parts: list[Sound] = []
        while sum(map(len, parts)) < seconds * RATE:
            samples = read(pick(files, rng))
            if len(samples) > seconds * RATE:
                samples = samples[int(rng.integers(len(samples) - int(seconds * RATE))) :]
            if np.any(samples):
                parts += [at_level(samples), pause(rng)]
        return np.concatenate(parts)[: round(seconds * RATE)]

    return made


def several(make: Room) -> Room:
    """Return as many people at the same time as babble is."""

    def made(seconds: float, rng: np.random.Generator) -> Sound:
        return np.sum([make(seconds, rng) for _ in range(PEOPLE_BABBLING)], 0, dtype=np.float32)

    return made


def made_up(kind: str, world: World) -> Room:
    """Return what makes up sounds of a kind as the training does."""
    texts = world.elsewhere
    lasting: dict[str, Room] = {
        "music": sounds.music,
        "babble": lambda seconds, rng: sounds.babble(texts, seconds, Callers(), rng),
        "television": lambda seconds, rng: sounds.television(texts, seconds, Callers(), rng),
    }
    short: dict[str, Callable[[np.random.Generator], Sound]] = {
        "telephone": sounds.ring,
        "laughter": lambda rng: sounds.laugh(texts, random_caller(rng), rng),
        "coughs": sounds.cough,
    }
    if kind in lasting:
        return lasting[kind]

    def made(seconds: float, rng: np.random.Generator) -> Sound:
        parts: list[Sound] = []
        while sum(map(len, parts)) < seconds * RATE:
            parts += [at_level(short[kind](rng)), pause(rng)]
        return np.concatenate(parts)[: round(seconds * RATE)]

    return made


def pause(rng: np.random.Generator) -> Sound:
    """Return a pause between short sounds."""
    return np.zeros(round(float(rng.uniform(*PAUSE_S)) * RATE), np.float32)


def table(rows: list[Row]) -> str:
    """Return the lines with their 95 % intervals."""
    lines = [("what", "value", "95 %", "n", "goal", "sounds")]
    for row in rows:
        one, scale = row.estimate, 100 if row.unit else 1
        value, low, high = (f"{scale * x:.{0 if row.unit else 1}f}" for x in (
            one.value, one.low, one.high))  # fmt: skip
        source = "the training's own" if row.made_here else ""
        lines.append((row.what, value, f"{low} to {high}", str(one.n), row.goal, source))
    return markdown_table(lines)


if __name__ == "__main__":
    main()
