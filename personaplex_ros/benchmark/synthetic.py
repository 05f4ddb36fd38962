"""Folders in the shape of Full-Duplex-Bench, synthesised here with exact truth.

Callers have voices and wordings that ``nano`` was not trained on. Ends and pauses are those of the
synthesised speech, to the sample, before the room and the noise.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.audio import write_wave
from personaplex_ros.benchmark.backchannel import histogram
from personaplex_ros.benchmark.human_timing import FILE as HUMAN_FILE
from personaplex_ros.benchmark.human_timing import read_human_timing
from personaplex_ros.benchmark.tasks import Task
from personaplex_ros.benchmark.words import HeardWord, write_json, write_words
from personaplex_ros.training.chance import pick
from personaplex_ros.training.conversations.callers import Spoken, ask
from personaplex_ros.training.sound.microphone import Microphone
from personaplex_ros.training.voices.speakers import AGENTS, random_caller
from personaplex_ros.training.voices.speech import RATE, Speech, Voice, speak
from personaplex_ros.training.world import World, load_world

PERSONA = "receptionist"  # whom callers talk to
LEAD_S, TAIL_S = (0.8, 1.6), 4.0  # before and after what is said
PAUSE_S = (0.4, 1.0)  # of a hesitation
TALK_S = (1.0, 1.6)  # from the end of a question until something is said into the answer,
LONG_S = 2.0  # which lasts as long at least
STORY_PARTS, STORY_PAUSE_S = 3, (0.7, 1.1)
# People murmur some time in this after a part of a story, as long; nano's corpus does so, too.
MURMUR_S, MURMUR_LENGTH_S = (0.08, 0.24), 0.5


@dataclass
class _Scene:
    """A recording in the making; times in seconds."""

    world: World
    rng: np.random.Generator
    caller: Voice
    microphone: Microphone
    now: float = 0.0
    parts: list[tuple[float, Speech]] = field(default_factory=list)
    murmurs: list[tuple[float, float]] = field(default_factory=list)  # when people might

    @staticmethod
    def begin(world: World, rng: np.random.Generator) -> _Scene:
        scene = _Scene(world, rng, random_caller(rng, held_out=True), Microphone.draw(rng))
        scene.now = float(rng.uniform(*LEAD_S))
        return scene

    def say(self, speech: Speech) -> tuple[float, float]:
        """Say something now; returns its start and end."""
        start_s, self.now = self.now, self.now + speech.duration_s
        self.parts.append((start_s, speech))
        return start_s, self.now

    def ask(self, intent: str, kind: str) -> Spoken:
        return ask(self.world, self.caller, intent, kind, self.rng, held_out=True)

    def sound(self) -> NDArray[np.float32]:
        """Return what the microphone hears until now: float32 [n] at 24 kHz."""
        heard = self.microphone.noise(round(self.now * RATE), self.rng)
        for start_s, speech in self.parts:
            first = round(start_s * RATE)
            part = self.microphone.hear(speech.samples)[: len(heard) - first]
            heard[first : first + len(part)] += part
        return np.clip(heard, -1, 1)

    def words(self) -> list[HeardWord]:
        return [
            HeardWord(word.text, start_s + word.start_s, start_s + word.end_s)
            for start_s, speech in self.parts
            for word in speech.words
        ]


def write_samples(folder: Path, task: Task, count: int, seed: int) -> None:
    """Write samples 1 to ``count`` of a task into a folder, which is made; those there are kept.

    Raises ValueError for a task that is not synthesised.
    """
    if task.name not in WRITERS:
        raise ValueError(f"{task.name} is not synthesised; there are {', '.join(WRITERS)}")
    world, timing = load_world(), folder / HUMAN_FILE
    human = dict(read_human_timing(timing)) if timing.is_file() else {}
    for number in range(1, count + 1):
        place = folder / str(number)
        if (place / "input.wav").is_file():
            continue
        rng = np.random.default_rng((seed, list(WRITERS).index(task.name), number))
        scene = _Scene.begin(world, rng)
        annotation = WRITERS[task.name](scene)
        place.mkdir(parents=True, exist_ok=True)
        write_words(place / "transcription.json", scene.words())
        for name, content in annotation.items():
            write_json(place / name, content)
        if scene.murmurs:
            counts = histogram(scene.murmurs, scene.now)
            human[place.name] = list(counts / counts.sum())
            write_json(timing, human)
        write_wave(place / "input.wav", scene.sound(), RATE)  # last: it makes a sample


def _smooth_turn_taking(scene: _Scene) -> dict[str, Any]:
    """Ask something and wait for the answer."""
    asked = scene.ask(_intent(scene), "question")
    _, end_s = scene.say(asked.speech)
    scene.now += TAIL_S
    return {"turn_taking.json": [{"text": asked.text, "timestamp": [end_s, scene.now]}]}


def _pause_handling(scene: _Scene) -> dict[str, Any]:
    """Ask something with a hesitation in it; the recording ends with the question."""
    while True:
        asked = scene.ask(_intent(scene), "question")
        lengths = [end_s - start_s for start_s, end_s in asked.pauses]
        if any(PAUSE_S[0] <= length <= PAUSE_S[1] for length in lengths):
            break
    start_s, _ = scene.say(asked.speech)
    pauses = [[start_s + begin_s, start_s + end_s] for begin_s, end_s in asked.pauses]
    return {"pause.json": [{"text": "[PAUSE]", "timestamp": pause} for pause in pauses]}


def _user_interruption(scene: _Scene) -> dict[str, Any]:
    """Ask something, and something else into the answer."""
    first, intent = _ask_at_length(scene)
    while True:
        other = _intent(scene)
        second = scene.ask(other, "interruption")
        if other != intent and second.text.startswith(scene.world.breaks):
            break
    start_s, end_s = scene.say(second.speech)
    scene.now += TAIL_S
    entry = {"context": first.text, "interrupt": second.text, "timestamp": [start_s, end_s]}
    return {"interrupt.json": [entry]}


def _backchannel(scene: _Scene) -> dict[str, Any]:
    """Tell a story in parts; the recording ends with it."""
    stories, rng = scene.world.stories, scene.rng
    chosen = rng.permutation(len(stories["parts"]))[:STORY_PARTS]
    for line in (pick(stories["opening"], rng), *(stories["parts"][i] for i in chosen)):
        _, end_s = scene.say(speak(line, scene.caller))
        for start_s in end_s + np.linspace(*MURMUR_S, 17):
            scene.murmurs.append((float(start_s), float(start_s) + MURMUR_LENGTH_S))
        scene.now += float(rng.uniform(*STORY_PAUSE_S))
    scene.say(speak(pick(stories["closing"], rng), scene.caller))
    return {}


def _user_backchannel(scene: _Scene) -> dict[str, Any]:
    """Ask something, and say "mhm" into the answer (v1.5)."""
    first, _ = _ask_at_length(scene)
    text = pick(scene.world.user_backchannels, scene.rng)
    start_s, end_s = scene.say(speak(text, scene.caller))
    scene.now += TAIL_S
    entry = {
        "context_text": first.text, "current_turn_text": text, "timestamps": [start_s, end_s],
    }  # fmt: skip
    return {"metadata.json": entry}


WRITERS: dict[str, Callable[[_Scene], dict[str, Any]]] = {
    "smooth_turn_taking": _smooth_turn_taking,
    "pause_handling": _pause_handling,
    "user_interruption": _user_interruption,
    "backchannel": _backchannel,
    "user_backchannel": _user_backchannel,
}


def _intent(scene: _Scene) -> str:
    """Draw what to ask; nothing was said that could be repeated."""
    return pick([name for name in scene.world.intents if name != "repeat"], scene.rng)


def _ask_at_length(scene: _Scene) -> tuple[Spoken, str]:
    """Ask for a long answer and let it begin; returns the question and what it asks for."""
    intent = _intent(scene)
    while _shortest_s(scene.world.intents[intent].answers) < LONG_S:
        intent = _intent(scene)
    asked = scene.ask(intent, "question")
    scene.say(asked.speech)
    scene.now += float(scene.rng.uniform(*TALK_S))
    return asked, intent


def _shortest_s(answers: Sequence[str]) -> float:
    """Return how long the shortest answer takes to say, the names of facts in place of facts."""
    voice = next(iter(AGENTS.values()))
    return min(speak(re.sub("[{}]", "", text), voice).duration_s for text in answers)
