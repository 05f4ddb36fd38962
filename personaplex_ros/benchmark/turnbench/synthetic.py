"""Two-channel conversations made here with exact truth, in the benchmark's layout.

Speaker 1 is a caller in a room, speaker 2 the receptionist as its own clean line. Both pause
within their turns, murmur into the other's, and break in; who is broken into stops some time
after, as people do. Times are those of the dry speech, to the sample.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.audio import write_wave
from personaplex_ros.benchmark.turnbench.tracks import Entry, write_track
from personaplex_ros.benchmark.turnbench.voices import Speak, caller_voice, robot_voice
from personaplex_ros.training.chance import pick
from personaplex_ros.training.sound.microphone import Microphone
from personaplex_ros.training.voices.speech import RATE
from personaplex_ros.training.voices.speech_bank import at_level, sounding
from personaplex_ros.training.world import (
    Facts,
    World,
    hesitations,
    load_world,
    lower_first,
)

LENGTH_S = 60.0
KINDS = ("plain", "break_in", "murmur", "attempt", "story", "cut_in")
CHANCES = (0.15, 0.3, 0.15, 0.05, 0.15, 0.2)
GAP_S = (0.1, 0.9)  # from the end of a turn to the other's
BETWEEN_S = (0.5, 1.8)  # from an answer to what is said next
PAUSE_S = (0.25, 1.2)  # within a turn
HESITATION_CHANCE = 0.5
INTO_S = 0.5  # of a sentence, that was heard when the other breaks in
YIELD_S = (0.25, 1.0)  # from then until who is broken into is silent
FADE = 480  # samples, 20 ms
MURMUR_CHANCE = 0.6  # after a part of a story
ANNOTATORS = "abc"  # who all say the same

CALLER, ROBOT = 0, 1
TURN = "Normal Turn"
TAKES = "Floor-taking Competitive Interruption"
TRIES = "Non-floor Taking Competitive Interruption"
MURMUR = "Continuer Backchannel"

Sound = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Said:
    """Something said from a time on; samples float32 [n]."""

    start_s: float
    samples: Sound
    label: str

    @property
    def end_s(self) -> float:
        """When it is over."""
        return self.start_s + len(self.samples) / RATE

    def cut(self, at_s: float) -> Said:
        """Return what is heard before a time, faded out; it may end before, in a pause."""
        part = self.samples[: round((at_s - self.start_s) * RATE)]
        part = part[: sounding(part)[1]].copy()
        part[len(part) - FADE :] *= np.linspace(1, 0, FADE, dtype=np.float32)
        return Said(self.start_s, part, self.label)


@dataclass
class _Script:
    """A conversation in the making, until ``now``."""

    world: World
    facts: Facts
    rng: np.random.Generator
    voices: tuple[Speak, Speak]
    now: float = 1.0
    said: tuple[list[Said], list[Said]] = field(default_factory=lambda: ([], []))

    def say(self, who: int, text: str, start_s: float, label: str = TURN) -> Said:
        """Say something from a time on."""
        one = Said(start_s, self.voices[who](text), label)
        self.said[who].append(one)
        self.now = max(self.now, one.end_s)
        return one

    def wait(self, limits_s: tuple[float, float]) -> None:
        self.now += float(self.rng.uniform(*limits_s))

    def turn(self, who: int, texts: Sequence[str], label: str = TURN) -> list[Said]:
        """Say one thing after the other with pauses between; only the first has the label."""
        spoken: list[Said] = []
        for text in texts:
            if spoken:
                self.wait(PAUSE_S)
            spoken.append(self.say(who, text, self.now, TURN if spoken else label))
        return spoken

    def question(self) -> list[str]:
        """Return a question that nothing was trained on, in two where it is hesitated."""
        text = pick(self.world.intents[self._intent()].held_out, self.rng)
        places = hesitations(self.world, text)
        if not places or self.rng.random() > HESITATION_CHANCE:
            return [text]
        words, place = text.split(), pick(places, self.rng)
        return [f"{' '.join(words[:place])},", " ".join(words[place:])]

    def answer(self) -> list[str]:
        """Return two or three sentences of the robot's."""
        count = int(self.rng.integers(2, 4))
        return [self.world.answer(self._intent(), self.facts, "", self.rng) for _ in range(count)]

    def interrupt(self, who: int, into: list[Said], texts: Sequence[str]) -> None:
        """Break into something that the other says, who stops a while after; the rest is lost.

        Where all of it is too short to be broken into, nothing happens.
        """
        least_s = INTO_S + YIELD_S[0]
        places = [at for at, one in enumerate(into) if one.end_s - one.start_s > least_s]
        if not places:
            return
        place, others = pick(places, self.rng), self.said[1 - who]
        broken = into[place]
        start_s, left = math.inf, broken
        while not YIELD_S[0] <= left.end_s - start_s <= YIELD_S[1]:
            start_s = float(self.rng.uniform(broken.start_s + INTO_S, broken.end_s - YIELD_S[0]))
            stop_s = start_s + float(self.rng.uniform(*YIELD_S))
            left = broken.cut(stop_s) if stop_s < broken.end_s else broken
        others[others.index(broken) :] = [left]
        self.now = start_s
        self.turn(who, texts, TAKES)
        self.now = max(self.now, others[-1].end_s)

    def exchange(self, kind: str) -> None:
        """Let the caller ask and the robot answer, with what the kind is about."""
        if kind in ("story", "cut_in"):
            self._story(cut_in=kind == "cut_in")
        else:
            self.turn(CALLER, self.question())
        self.wait(GAP_S)
        spoken = self.turn(ROBOT, self.answer())
        middle = pick(spoken, self.rng)
        if kind == "break_in":
            question = self.question()
            opening = f"{pick(self.world.breaks, self.rng)} {lower_first(question[0])}"
            self.interrupt(CALLER, spoken, [opening, *question[1:]])
            self.wait(GAP_S)
            self.turn(ROBOT, self.answer()[:1])
        elif kind in ("murmur", "attempt"):
            murmurs = kind == "murmur"
            text = pick(self.world.user_backchannels if murmurs else self.world.breaks, self.rng)
            first_s = middle.start_s + INTO_S
            start_s = float(self.rng.uniform(first_s, max(first_s, middle.end_s)))
            self.say(CALLER, text, start_s, MURMUR if murmurs else TRIES)
        self.wait(BETWEEN_S)

    def _story(self, cut_in: bool) -> None:
        """Tell a story in parts, which the robot murmurs at, and may break into."""
        stories = self.world.stories
        order = self.rng.permutation(len(stories["parts"]))[:3]
        texts = [pick(stories["opening"], self.rng), *(stories["parts"][i] for i in order)]
        for number, text in enumerate(texts):
            part = self.say(CALLER, text, self.now)
            if cut_in and number == len(texts) - 1:
                self.interrupt(ROBOT, [part], self.answer()[:1])
                self.wait(GAP_S)
                break
            if self.rng.random() < MURMUR_CHANCE:
                start_s = part.end_s + float(self.rng.uniform(-0.3, 0.3))
                text = pick(self.world.agent_backchannels, self.rng)
                self.say(ROBOT, text, start_s, MURMUR)
                self.now = part.end_s
            self.wait(PAUSE_S)
        self.say(CALLER, pick(stories["closing"], self.rng), self.now)

    def _intent(self) -> str:
        return pick([name for name in self.world.intents if name != "repeat"], self.rng)


def write_conversations(folder: Path, count: int, seed: int, natural: bool) -> None:
    """Write conversations 1 to ``count`` of about a minute; those there are kept.

    natural: both speak with a voice of recorded people's (hibari), else by rules (espeak-ng).
    """
    world = load_world()
    for number in range(1, count + 1):
        place = folder / str(number)
        if (place / "speaker_2_audio.wav").is_file():
            continue
        rng = np.random.default_rng((seed, natural, number))
        script = _Script(
            world, world.random_facts(rng, unseen=True), rng,
            (caller_voice(rng, natural), robot_voice(rng, natural)),
        )  # fmt: skip
        while script.now < LENGTH_S:
            script.exchange(str(rng.choice(KINDS, p=CHANCES)))
        _write(place, script)


def _write(place: Path, script: _Script) -> None:
    place.mkdir(parents=True, exist_ok=True)
    count = round((script.now + 1.0) * RATE)
    microphone = Microphone.draw(script.rng)
    sounds = (microphone.noise(count, script.rng), np.zeros(count, np.float32))
    for who, said in enumerate(script.said):
        entries = [Entry(one.start_s, one.end_s, one.label) for one in said]
        for letter in ANNOTATORS:
            path = place / f"speaker_{who + 1}_annotation_{letter}.srt"
            write_track(path, sorted(entries, key=lambda entry: entry.start_s))
        for one in said:
            part = microphone.hear(one.samples) if who == CALLER else at_level(one.samples)
            first = round(one.start_s * RATE)
            room = sounds[who][first : first + len(part)]
            room += part[: len(room)]
        write_wave(place / f"speaker_{who + 1}_audio.wav", np.clip(sounds[who], -1, 1), RATE)
