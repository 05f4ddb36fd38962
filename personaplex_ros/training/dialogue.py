"""Conversations between a caller and the robot, with the exact time of everything in them.

The robot always begins at the start of a frame, so that a sentence of one voice has always the
same codes; the caller speaks at any time. What the distributions below state is what the model
learns: when to begin, to wait, to go on and to give way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.training.augment import coloured_noise, reverberate, through_rate
from personaplex_ros.training.chance import pick
from personaplex_ros.training.speakers import AGENTS, random_caller
from personaplex_ros.training.speech import RATE, Interval, Speech, Voice, speak
from personaplex_ros.training.speech_bank import LEVEL, at_level
from personaplex_ros.training.world import PERSONA_INTENTS, Facts, World, hesitations, lower_first

FRAME_S = 0.08
# Frames from the first one without the caller's voice to the robot's first; heard two later.
REPLY_FRAMES, REPLY_CHANCES = (1, 2, 3), (0.35, 0.5, 0.15)
PAUSE_CHANCE, PAUSE_S = 0.35, (0.3, 1.1)
BREAK_CHANCE = 0.8  # of an interruption to begin with "wait", "sorry", ...
YIELD_FRAMES = (3, 4)  # from the frame in which an interruption begins; without a break one more
KINDS = ("plain", "interruption", "backchannel", "late_backchannel", "story", "silence")
CHANCES = (0.42, 0.24, 0.16, 0.05, 0.06, 0.07)


@dataclass(frozen=True)
class Line:
    """Something said: by "user" or "agent", when (seconds), and what for.

    ``kind`` is "question", "interruption", "backchannel", "story" or "answer"; ``cut_s`` is where
    an interrupted answer ends.
    """

    speaker: str
    kind: str
    text: str
    start_s: float
    end_s: float
    words: tuple[Interval, ...]
    intent: str = ""
    pauses: tuple[tuple[float, float], ...] = ()  # within it, start and end

    def cut(self, at_s: float) -> Line:
        """Return the part before ``at_s``."""
        words = tuple(word for word in self.words if word.start_s < at_s - FRAME_S)
        return replace(self, end_s=at_s, words=words)


@dataclass(frozen=True)
class Conversation:
    """A finished conversation; ``user`` is what the microphone hears, float32 [n] at 24 kHz."""

    facts: Facts
    prompt: str
    voice: str
    lines: tuple[Line, ...]
    user: NDArray[np.float32]

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.user) / RATE


@dataclass
class Script:
    """A conversation in the making; ``now`` is the time up to which it is written."""

    world: World
    facts: Facts
    caller: Voice
    voice: str
    rng: np.random.Generator
    held_out: bool = False
    now: float = 0.0
    last: str = ""  # what the robot answered last
    lines: list[Line] = field(default_factory=list)
    clips: list[tuple[float, NDArray[np.float32]]] = field(default_factory=list)

    def user_says(self, text: str, kind: str, intent: str = "", pause: bool = False) -> Line:
        """Let the caller speak at ``now``, with a hesitation if wanted and possible."""
        speech = speak(text, self.caller)
        pauses: tuple[tuple[float, float], ...] = ()
        places = hesitations(self.world, text) if pause else []
        if places:
            place = places[int(self.rng.integers(len(places)))]
            speech, gap = hesitate(speech, place, float(self.rng.uniform(*PAUSE_S)))
            pauses = ((self.now + gap[0], self.now + gap[1]),)
        self.clips.append((self.now, speech.samples))
        line = self._line("user", kind, text, self.now, speech, intent)
        self.lines.append(replace(line, pauses=pauses))
        return line

    def agent_says(self, text: str, kind: str, start_s: float, intent: str = "") -> Line:
        """Let the robot speak from ``start_s``, the start of a frame."""
        line = self._line("agent", kind, text, start_s, speak(text, AGENTS[self.voice]), intent)
        self.lines.append(line)
        return line

    def reply(self, intent: str, after: Line) -> Line:
        """Let the robot answer what was said."""
        text = self.world.answer(intent, self.facts, self.last, self.rng)
        if intent != "repeat":
            self.last = text
        delay = int(self.rng.choice(REPLY_FRAMES, p=REPLY_CHANCES))
        start = (math.ceil(after.end_s / FRAME_S) + delay) * FRAME_S
        return self.agent_says(text, "answer", start, intent)

    def question(self, intent: str, kind: str = "question") -> Line:
        """Let the caller ask something, in one of its wordings."""
        rng, entry = self.rng, self.world.intents[intent]
        text = pick(entry.held_out if self.held_out else entry.wordings, rng)
        if kind == "interruption":
            if rng.random() < BREAK_CHANCE:
                text = f"{pick(self.world.breaks, rng)} {lower_first(text)}"
        elif rng.random() < 0.3 and intent not in ("greeting", "goodbye", "thanks", "repeat"):
            text = f"{pick(self.world.openers, rng)} {lower_first(text)}"
        pause = kind == "question" and rng.random() < PAUSE_CHANCE
        return self.user_says(text, kind, intent, pause)

    def random_intent(self) -> str:
        """Draw what the caller wants next; a third is about the persona."""
        rng = self.rng
        if rng.random() < 0.33:
            return str(pick(PERSONA_INTENTS, rng))
        if rng.random() < 0.06:
            return "fallback"
        intent = str(pick(list(self.world.intents), rng))
        return intent if self.last or intent != "repeat" else "greeting"

    def exchange(self, kind: str) -> None:
        """Write one exchange of a kind, see ``KINDS``."""
        rng = self.rng
        if kind == "silence":
            self.now += float(rng.uniform(3, 10))
            return
        if kind == "story":
            self._story()
            return
        intent = self.random_intent()
        answer = self.reply(intent, self.question(intent))
        length = answer.end_s - answer.start_s
        if kind == "interruption" and length > 1.0:
            answer = self._interrupt(answer)
        elif kind == "backchannel" and length > 1.0:
            self.now = answer.start_s + float(rng.uniform(0.3, length - 0.3))
            self.user_says(pick(self.world.user_backchannels, rng), "backchannel")
        elif kind == "late_backchannel":
            self.now = answer.end_s + float(rng.uniform(0.2, 0.8))
            self.user_says(pick(self.world.user_backchannels, rng), "backchannel")
        self.now = max(answer.end_s, self.lines[-1].end_s) + float(rng.uniform(0.5, 2.5))

    def _interrupt(self, answer: Line) -> Line:
        rng = self.rng
        self.now = answer.start_s + float(rng.uniform(0.4, answer.end_s - answer.start_s - 0.3))
        place = self.lines.index(answer)
        intent = self.random_intent()
        question = self.question(intent, "interruption")
        broke_in = any(question.text.startswith(word) for word in self.world.breaks)
        frames = int(rng.choice(YIELD_FRAMES)) + (not broke_in)
        cut = (math.floor(question.start_s / FRAME_S) + frames) * FRAME_S
        if cut < answer.end_s:
            self.lines[place] = answer.cut(cut)
        return self.reply(intent, question)

    def _story(self) -> None:
        rng, stories = self.rng, self.world.stories
        parts = list(rng.permutation(len(stories["parts"]))[: int(rng.integers(2, 5))])
        texts = [pick(stories["opening"], rng), *(stories["parts"][i] for i in sorted(parts))]
        for text in texts:
            line = self.user_says(text, "story")
            gap = float(rng.uniform(0.6, 1.1))
            if rng.random() < 0.7:
                start = (math.ceil(line.end_s / FRAME_S) + int(rng.integers(1, 3))) * FRAME_S
                self.agent_says(pick(self.world.agent_backchannels, rng), "backchannel", start)
            self.now = line.end_s + gap
        closing = self.user_says(pick(stories["closing"], rng), "question", "story")
        self.last = pick(stories["answers"], rng)
        start = (math.ceil(closing.end_s / FRAME_S) + 2) * FRAME_S
        self.now = self.agent_says(self.last, "answer", start, "story").end_s + 1.0

    def finish(self) -> Conversation:
        """Mix what the caller said and put it into a room."""
        ends = max((line.end_s for line in self.lines), default=0.0)
        frames = math.ceil(max(self.now, ends + 0.5) / FRAME_S)
        lines = tuple(sorted(self.lines, key=lambda line: line.start_s))
        prompt = self.world.prompt(self.facts, self.rng)
        user = microphone(self.clips, round(frames * FRAME_S * RATE), self.rng)
        return Conversation(self.facts, prompt, self.voice, lines, user)

    def _line(
        self, speaker: str, kind: str, text: str, start: float, speech: Speech, intent: str
    ) -> Line:
        words = tuple(
            Interval(word.text, start + word.start_s, start + word.end_s) for word in speech.words
        )
        return Line(speaker, kind, text, start, start + speech.duration_s, words, intent)


def begin_script(world: World, rng: np.random.Generator, *, held_out: bool = False) -> Script:
    """Draw caller, voice and persona; ``held_out`` ones and their wordings are for evaluation."""
    facts = world.random_facts(rng, unseen=held_out)
    voice = pick(list(AGENTS), rng)
    script = Script(world, facts, random_caller(rng, held_out), voice, rng, held_out)
    script.now = float(rng.uniform(0.3, 3.0))
    return script


def random_conversation(world: World, seed: int | tuple[int, ...], seconds: float) -> Conversation:
    """Write a conversation of about ``seconds`` for training."""
    rng = np.random.default_rng(seed)
    script = begin_script(world, rng)
    while script.now < seconds - 4:
        script.exchange(str(rng.choice(KINDS, p=CHANCES)))
    if rng.random() < 0.3:
        script.now = script.reply("goodbye", script.question("goodbye")).end_s + 1.0
    return script.finish()


def hesitate(speech: Speech, words: int, seconds: float) -> tuple[Speech, tuple[float, float]]:
    """Stop for a while after so many words; returns the speech and the gap's start and end."""
    at_s = speech.words[words].start_s
    at, gap = round(at_s * RATE), round(seconds * RATE)
    before, after = speech.samples[:at].copy(), speech.samples[at:]
    fade = min(120, len(before))
    before[len(before) - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
    samples = np.concatenate([before, np.zeros(gap, np.float32), after])

    def later(intervals: tuple[Interval, ...]) -> tuple[Interval, ...]:
        return tuple(
            i if i.start_s < at_s else Interval(i.text, i.start_s + seconds, i.end_s + seconds)
            for i in intervals
        )

    moved = Speech(samples, later(speech.words), later(speech.phones))
    return moved, (at_s, at_s + seconds)


def microphone(
    clips: list[tuple[float, NDArray[np.float32]]], count: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return what a microphone hears of clips (start, samples): level, room, noise, cheap parts."""
    level = LEVEL * 10 ** (rng.uniform(-10, 4) / 20)
    dry = np.zeros(count, np.float32)
    for start_s, samples in clips:
        start = round(start_s * RATE)
        part = at_level(samples, level)[: count - start]
        dry[start : start + len(part)] += part
    heard = reverberate(dry, rng) if rng.random() < 0.35 else dry
    floor = min(10 ** (rng.uniform(-75, -42) / 20), level / 6)
    heard = heard + coloured_noise(count, rng) * np.float32(floor)
    if rng.random() < 0.25:
        heard = through_rate(heard, int(rng.choice((16_000, 16_000, 8_000))))
    return np.clip(heard, -1, 1)
