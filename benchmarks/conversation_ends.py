"""How soon and how surely the end of a turn is told in whole conversations with a model.

usage: python benchmarks/conversation_ends.py [FOLDER...] [--checkpoint nano]
       [--conversations 48] [--json FILE]

Callers that nothing was trained on, espeak-ng's or those of the FOLDERs (`strangers.py --record`),
ask what nothing was trained on, in rooms and noise; half of the questions are hesitated, and each
third conversation of espeak-ng's begins with a story, told in sentences with pauses. Pauses are
log-normal, 0.55 s in the median. The model answers as it will, and the callers wait for it, so the
true ends are those of conversations as they are held.

The same frames are heard by `user_finished` as it is, by the same without the robot's words, and by
Silero VAD with a fixed silence, of which that is shown which tells the ends soonest in the mean
among those whose false positives, ends told in a pause, are few enough. An end that is not told
within 3 s counts 3 s. Needs requirements-training.txt.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from strangers import WITHOUT, add_arguments, caller, open_stage
from turn_ends import BUDGETS, DEADLINE_S, FRAME, WAITS_S, Quiet

from personaplex_ros.files import write_whole
from personaplex_ros.markdown import markdown_table
from personaplex_ros.training.chance import pick
from personaplex_ros.training.conversations.callers import hesitate, random_intent
from personaplex_ros.training.evaluation.converse import Dialogue, Job
from personaplex_ros.training.evaluation.scenarios import (
    GAP_S,
    STORY_PARTS,
    Plan,
    Utterance,
    with_pauses,
)
from personaplex_ros.training.sound.augment import placed
from personaplex_ros.training.sound.microphone import Microphone
from personaplex_ros.training.turn_ends.corpus import pause_s
from personaplex_ros.training.voices.speakers import AGENTS
from personaplex_ros.training.voices.speech import RATE, Speaker, Speech
from personaplex_ros.training.voices.speech_bank import at_level
from personaplex_ros.training.world import World, hesitations, load_world
from personaplex_ros.turns import SpeechActivity, TurnMonitor
from personaplex_ros.turns.events import USER_FINISHED

QUESTIONS, HESITATED, STORIES = 4, 0.5, 3
UTTERANCE_S = 16.0  # of a conversation, for each utterance and its answer
EARLY_S = 0.1  # an end may be told so long before the last sound has died away

Sound = NDArray[np.float32]


@dataclass(frozen=True)
class Truth:
    """When turns of a caller's end, and (start, end) of the pauses within them."""

    ends_s: Sequence[float]
    pauses_s: Sequence[tuple[float, float]]

    def told(self, found_s: Sequence[float]) -> Told:
        """Return how late ends were told at these times, and how many in pauses."""
        late_s = []
        for end_s in self.ends_s:
            hits = [at - end_s for at in found_s if -EARLY_S <= at - end_s <= DEADLINE_S]
            late_s.append(min(hits, default=DEADLINE_S))
        wrong = [any(a < at <= b for at in found_s) for a, b in self.pauses_s]
        return Told(tuple(late_s), tuple(wrong))


@dataclass(frozen=True)
class Told:
    """How late each end was told, and whether one was told in each pause."""

    late_s: tuple[float, ...]
    wrong: tuple[bool, ...]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--conversations", type=int, default=48)
    add_arguments(parser)
    arguments = parser.parse_args()
    world = load_world()
    planned = plans(world, arguments.folders, arguments.conversations, arguments.seed)
    rows: dict[str, list[Told]] = {}
    for dialogue in open_stage(arguments, world).run(planned):
        for detector, told in heard(dialogue).items():
            rows.setdefault(detector, []).append(told)
    points = [scored(detector, told) for detector, told in rows.items()]
    print(table(points))
    if arguments.json:
        content = json.dumps([asdict(point) for point in points], indent=1)
        write_whole(arguments.json, lambda place: place.write_text(content))


def plans(world: World, folders: Sequence[Path], count: int, seed: int) -> Iterator[Job]:
    """Plan so many conversations."""
    for number in range(count):
        rng = np.random.default_rng((seed, 17, number))
        name, voice = caller(folders, number, rng)
        microphone = Microphone.draw(rng)
        said = [_question(world, voice, rng) for _ in range(QUESTIONS)]
        if not folders and number % STORIES == 0:
            said.insert(0, _story(world, voice, rng))
        utterances = tuple(
            Utterance("question", text, intent, float(rng.uniform(*GAP_S)),
                      microphone.hear(speech.samples), speech.duration_s, pauses)
            for intent, text, speech, pauses in said
        )  # fmt: skip
        noise = microphone.noise(round(UTTERANCE_S * len(said) * RATE), rng)
        facts, robot = world.random_facts(rng, unseen=True), pick(list(AGENTS), rng)
        plan = Plan(facts, world.prompt(facts, rng), robot, name, utterances, noise)
        yield Job(number, plan, "pt", f"{robot}.pt")


Spoken = tuple[str, str, Speech, tuple[tuple[float, float], ...]]


def _question(world: World, voice: Speaker, rng: np.random.Generator) -> Spoken:
    """Let a voice ask something, hesitating once or not at all: (intent, text, speech, pauses)."""
    text = ""
    while not text:
        intent = random_intent(world, rng)
        known = [one for one in world.intents[intent].held_out if voice.knows(one)]
        text = pick(known, rng) if known and intent not in WITHOUT else ""
    speech = voice.say(text)
    speech = replace(speech, samples=at_level(speech.samples))
    places = hesitations(world, text)
    if not places or rng.random() > HESITATED:
        return intent, text, speech, ()
    speech, pause = hesitate(speech, pick(places, rng), pause_s(rng))
    return intent, text, speech, (pause,)


def _story(world: World, voice: Speaker, rng: np.random.Generator) -> Spoken:
    stories = world.stories
    order = rng.permutation(len(stories["parts"]))[:STORY_PARTS]
    lines = [pick(stories["opening"], rng), *(stories["parts"][at] for at in order)]
    lines.append(pick(stories["closing"], rng))
    parts = [at_level(voice.say(line).samples) for line in lines]
    samples, pauses = with_pauses(parts, [pause_s(rng) for _ in parts[1:]])
    return "story", " ".join(lines), Speech(samples, (), ()), pauses


def heard(dialogue: Dialogue) -> dict[str, Told]:
    """Let all detectors hear a conversation."""
    person, count = _person(dialogue), len(dialogue.robot) // FRAME - 1
    truth = Truth(
        [one.end_s for one in dialogue.said],
        [pause for one in dialogue.said for pause in one.pauses],
    )
    pieces = {round(at_s * RATE) // FRAME - 1: piece for at_s, piece in dialogue.pieces}
    found = {
        "user_finished": _finished(person, dialogue.robot, pieces, count),
        "user_finished, without the robot's words": _finished(person, dialogue.robot, {}, count),
    }
    silent_s = _silences(person, count)
    for wait_s in WAITS_S:
        at = np.flatnonzero((silent_s[1:] >= wait_s) & (silent_s[:-1] < wait_s)) + 1
        found[f"Silero, {wait_s:.2f} s"] = tuple(float(x) for x in (at + 1) * FRAME / RATE)
    return {name: truth.told(times) for name, times in found.items()}


def _person(dialogue: Dialogue) -> Sound:
    """Return what the microphone heard."""
    noise = dialogue.plan.noise
    said = placed([(one.start_s, one.utterance.samples) for one in dialogue.said], len(noise))
    return np.clip(noise + said, -1, 1)


def _finished(person: Sound, robot: Sound, pieces: dict[int, str], count: int) -> tuple[float, ...]:
    """Return when user_finished is told, as the node hears both sides."""
    monitor = TurnMonitor(RATE, FRAME, robot_delay_s=FRAME / RATE)
    told = []
    for frame in range(count):
        first = frame * FRAME
        sides = person[first : first + FRAME], robot[first + FRAME : first + 2 * FRAME]
        update = monitor.push(*sides, pieces.get(frame, ""), first * 1_000_000_000 // RATE)
        told += [e.decided_ns / 1e9 for e in update.events if e.kind == USER_FINISHED]
    return tuple(told)


def _silences(person: Sound, count: int) -> Sound:
    """Return for how long Silero has heard nobody, float32 [count], at the end of each frame."""
    activity, quiet = SpeechActivity(RATE, FRAME), Quiet()
    frames = (person[first : first + FRAME] for first in range(0, count * FRAME, FRAME))
    return np.array([quiet.push(activity.push(frame)) for frame in frames], np.float32)


@dataclass(frozen=True)
class Point:
    """What a detector reaches; latencies in seconds."""

    detector: str
    ends: int
    pauses: int
    recall: float
    false_positives: float
    mean_s: float
    p50_s: float
    p90_s: float


def scored(detector: str, told: Sequence[Told]) -> Point:
    """Return the figures of a detector over all conversations."""
    late_s = np.array([late for one in told for late in one.late_s])
    wrong = [value for one in told for value in one.wrong]
    p50, p90 = (float(x) for x in np.quantile(late_s, (0.5, 0.9)))
    return Point(
        detector, len(late_s), len(wrong), float(np.mean(late_s < DEADLINE_S)),
        float(np.mean(wrong)), float(np.mean(late_s)), p50, p90,
    )  # fmt: skip


def table(points: Sequence[Point]) -> str:
    """Return ours, and of Silero's waits the soonest within each budget of false positives."""
    lines: list[Sequence[Any]] = [
        ("detector", "false positives", "recall", "mean s", "50 / 90 %", "n")
    ]
    chosen = [(point, "") for point in points if not point.detector.startswith("Silero")]
    for budget in BUDGETS:
        few = [one for one in points if one.detector.startswith("Silero")
               and one.false_positives <= budget]  # fmt: skip
        few.sort(key=lambda one: one.mean_s)
        chosen += [(one, f", at most {budget}") for one in few[:1]]
    for one, why in chosen:
        lines.append((
            one.detector + why, f"{one.false_positives:.3f}", f"{one.recall:.3f}",
            f"{one.mean_s:.2f}", f"{one.p50_s:.2f} / {one.p90_s:.2f}", f"{one.ends} + {one.pauses}",
        ))  # fmt: skip
    return markdown_table(lines)


if __name__ == "__main__":
    main()
