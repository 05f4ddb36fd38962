"""How well nano understands voices that nobody made for it: right, wrong and missing answers.

usage: python benchmarks/strangers.py --record DIR
       python benchmarks/strangers.py FOLDER... [--checkpoint nano] [--wordings 40] [--json FILE]

Each FOLDER is that of a voice, see `personaplex_ros.training.voices.recorded`, with the wordings
that are kept from training. ``--record`` makes those of the synthesizers whose programs are there
(Debian's flite, festival, libttspico-utils, and espeak-ng with mbrola) and names the others. Five
questions make a conversation; microphone and room are clean. An answer is wrong when the robot says
something that answers another question: not "I do not know", and not silence. Needs
requirements-training.txt.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.engine import Engine, Sampling
from personaplex_ros.estimate import share
from personaplex_ros.files import write_whole
from personaplex_ros.training.chance import pick
from personaplex_ros.training.evaluation.converse import Dialogue, Job, Stage
from personaplex_ros.training.evaluation.scenarios import Plan, Utterance
from personaplex_ros.training.evaluation.turns import turns
from personaplex_ros.training.voices.making import keep
from personaplex_ros.training.voices.recorded import RecordedVoice, Recorder
from personaplex_ros.training.voices.speakers import AGENTS, random_caller
from personaplex_ros.training.voices.speech import RATE, Speaker
from personaplex_ros.training.voices.speech_bank import at_level
from personaplex_ros.training.voices.synthesizers import festival, flite, mbrola, pico
from personaplex_ros.training.world import World, load_world, plain

Room = Callable[[float, np.random.Generator], NDArray[np.float32]]
"""What the microphone hears besides for so many seconds: float32 [n] at 24 kHz."""
QUESTIONS = 5  # of a conversation
UTTERANCE_S = 15.0  # of a conversation, for each utterance and its answer
GAP_S = (0.8, 2.0)
NOISE = 10 ** (-65 / 20)
STRANGERS = {
    "festival_slt": festival("cmu_us_slt_arctic_hts"),
    "flite_slt": flite("slt"),
    "mbrola_en1": mbrola("mb-en1"),
    **{f"mbrola_us{number}": mbrola(f"us-mbrola-{number}") for number in (1, 2, 3)},
    "pico": pico(),
}
WITHOUT = ("repeat",)  # which asks for what was said before


@dataclass(frozen=True)
class Answer:
    """What came of a question: "right", "wrong", "unknown" (it says so) or "silence"."""

    voice: str
    intent: str
    asked: str
    said: str
    outcome: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--record", type=Path, metavar="DIR")
    parser.add_argument("--wordings", type=int, default=40, help="of each voice")
    add_arguments(parser)
    arguments = parser.parse_args()
    world = load_world()
    if arguments.record is not None:
        record(world, arguments.record)
        return
    if not arguments.folders:
        parser.error("give a FOLDER, or --record")
    planned = jobs(world, arguments.folders, arguments.wordings, arguments.seed)
    answers = answered(open_stage(arguments, world), planned)
    print(table(answers))
    if arguments.json:
        content = json.dumps([asdict(one) for one in answers], indent=1)
        write_whole(arguments.json, lambda place: place.write_text(content))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe who asks whom, and where the result goes."""
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER")
    parser.add_argument("--checkpoint", default="nano", metavar="DIR")
    parser.add_argument("--slots", type=int, default=8, help="conversations at a time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, metavar="FILE")


def open_stage(arguments: argparse.Namespace, world: World) -> Stage:
    """Return where the conversations are held."""
    engine = Engine.load(arguments.checkpoint, slots=arguments.slots, threads=arguments.threads)
    return Stage(engine, world, arguments.slots, Sampling(), arguments.seed)


def answered(stage: Stage, planned: Iterator[Job]) -> list[Answer]:
    """Hold conversations; return what came of each question."""
    return [answer for one in stage.run(planned) for answer in judged(one, stage.world)]


def record(world: World, folder: Path) -> None:
    """Let every voice of `STRANGERS` that is installed say what is kept from training."""
    texts = [text for intent in world.intents.values() for text in intent.held_out]
    for name, voice in STRANGERS.items():
        if shutil.which(voice.arguments[0]) is None:
            print(f"{name}: no program {voice.arguments[0]}")
            continue
        recorder = Recorder(folder / name)
        for text in texts:
            keep(recorder, text, voice, 1.0)
        print(f"{name}: {len(texts)} sentences")


def jobs(world: World, folders: list[Path], wordings: int, seed: int) -> Iterator[Job]:
    """Plan conversations with every voice."""
    for index, folder in enumerate(folders):
        voice, rng = RecordedVoice.open(folder), np.random.default_rng((seed, index))
        questions = held_out(world, voice, wordings, rng)
        yield from asking(world, folder.name, voice, questions, 1000 * index, quiet, rng)


def held_out(
    world: World, voice: Speaker, count: int, rng: np.random.Generator
) -> list[tuple[str, str]]:
    """Draw so many (intent, wording) that a voice can say and that were kept from training."""
    asked = [
        (name, text)
        for name, intent in world.intents.items()
        for text in intent.held_out
        if name not in WITHOUT and voice.knows(text)
    ]
    return [asked[number] for number in rng.permutation(len(asked))[:count]]


def caller(folders: Sequence[Path], number: int, rng: np.random.Generator) -> tuple[str, Speaker]:
    """Return the voices of folders in turn; without any, one of espeak-ng's that is held out."""
    if not folders:
        return "espeak-ng", random_caller(rng, held_out=True)
    folder = folders[number % len(folders)]
    return folder.name, RecordedVoice.open(folder)


def asking(
    world: World,
    name: str,
    voice: Speaker,
    questions: Sequence[tuple[str, str]],
    first_number: int,
    room: Room,
    rng: np.random.Generator,
) -> Iterator[Job]:
    """Plan conversations in which a voice asks (intent, wording)."""
    for first in range(0, len(questions), QUESTIONS):
        part = questions[first : first + QUESTIONS]
        utterances = tuple(_utterance(voice, intent, text, rng) for intent, text in part)
        yield job(world, first_number + first, name, utterances, room, rng)


def job(
    world: World,
    number: int,
    name: str,
    utterances: tuple[Utterance, ...],
    room: Room,
    rng: np.random.Generator,
) -> Job:
    """Plan a conversation with a persona and a voice that are drawn."""
    facts, robot = world.random_facts(rng, unseen=True), pick(list(AGENTS), rng)
    noise = room(UTTERANCE_S * max(1, len(utterances)), rng)
    plan = Plan(facts, world.prompt(facts, rng), robot, name, utterances, noise)
    return Job(number, plan, "pt", f"{robot}.pt")


def quiet(seconds: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return a quiet room."""
    return (NOISE * rng.standard_normal(round(seconds * RATE))).astype(np.float32)


def _utterance(voice: Speaker, intent: str, text: str, rng: np.random.Generator) -> Utterance:
    speech = voice.say(text)
    samples = at_level(speech.samples)
    gap_s = float(rng.uniform(*GAP_S))
    return Utterance("question", text, intent, gap_s, samples, speech.duration_s, ())


def judged(dialogue: Dialogue, world: World) -> Iterator[Answer]:
    """Yield what came of each question."""
    unknown = [plain(phrase) for phrase in world.intents["fallback"].accept]
    for turn in turns(dialogue.said, dialogue.duration_s):
        asked = turn.asked.utterance
        said = dialogue.text(turn.asked.start_s + 0.5 * asked.duration_s, turn.until_s)
        outcome = "wrong"
        if world.accepts(asked.intent, dialogue.plan.facts, "", said):
            outcome = "right"
        elif not plain(said):
            outcome = "silence"
        elif any(phrase in plain(said) for phrase in unknown):
            outcome = "unknown"
        yield Answer(dialogue.plan.caller, asked.intent, asked.text, said, outcome)


def table(answers: list[Answer]) -> str:
    """Return what came of the questions of each voice, in per cent."""
    lines = ["| voice | n | right | wrong | does not know | silence |", "|---|---|---|---|---|---|"]
    voices = list(dict.fromkeys(one.voice for one in answers))
    for name in (*voices, "all"):
        of_it = [one.outcome for one in answers if name in (one.voice, "all")]
        parts = [
            f"{100 * share([outcome == kind for outcome in of_it]).value:.0f}"
            for kind in ("right", "wrong", "unknown", "silence")
        ]
        lines.append(f"| {' | '.join((name, str(len(of_it)), *parts))} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
