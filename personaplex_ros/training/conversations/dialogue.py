"""Conversations between a recorded caller and the robot, with the exact time of everything.

The robot always begins at the start of a frame, so that a sentence of one voice has always the
same codes. What the distributions below state is what the model learns: when to begin, to wait,
to go on and to give way.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.training.chance import pick
from personaplex_ros.training.conversations.recordings import FRAME_S, Recording, Take
from personaplex_ros.training.voices.speech import Interval
from personaplex_ros.training.world import Facts, World

# From the caller's end to the frame in which the robot answers, heard about 0.14 s later. Earlier,
# the robot has not heard that there is silence, and begins before "... in the morning".
REPLY_S = (0.15, 0.25)
THANKS_S = 0.35  # so much later after thanks: a goodbye may follow
# From the onset of an interruption to the frame that is silent. Earlier, "wait" cannot be told from
# "okay", later, the robot is heard for more than 0.6 s; without a break like "wait" a frame more.
YIELD_S = (0.36, 0.40)
KINDS = ("plain", "interruption", "backchannel", "late_backchannel", "story", "silence")
CHANCES = (0.24, 0.42, 0.13, 0.05, 0.06, 0.10)
NOISE_CHANCE = 0.6  # in a silence, and of another after it
NOISE_INTO = 0.15  # in place of a backchannel: who hears more of it does not give way to people
NOBODY_CHANCE = 0.15  # of a conversation in which nobody asks anything
# That the robot speaks of its own accord, as it is made to by `~/say` and a greeting: before
# anybody does, and when nobody does. Mostly it greets.
OPENED_CHANCE, SAYS_CHANCE, GREETS_CHANCE = 0.25, 0.2, 0.6
GOODBYE_CHANCE = 0.3


@dataclass(frozen=True)
class Sentence:
    """A sentence of one of the robot's voices: its words' times and its codes [codebooks, F]."""

    words: tuple[Interval, ...]
    codes: NDArray[np.int16]

    @property
    def duration_s(self) -> float:
        """Length of the speech in seconds."""
        return self.words[-1].end_s


@dataclass(frozen=True)
class Line:
    """Something said: by "user" or "agent", when (seconds), and what for.

    ``kind`` is "question", "interruption", "backchannel", "noise", "story", "answer" or "given",
    which the robot is made to say; ``piece`` is what is heard, of an interrupted answer only until
    ``end_s``.
    """

    speaker: str
    kind: str
    text: str
    start_s: float
    end_s: float
    words: tuple[Interval, ...]
    piece: Take | Sentence
    intent: str = ""
    pauses: tuple[tuple[float, float], ...] = ()  # within it, start and end

    def cut(self, at_s: float) -> Line:
        """Return the part before ``at_s``."""
        words = tuple(word for word in self.words if word.start_s < at_s - FRAME_S)
        return replace(self, end_s=at_s, words=words)

    @property
    def is_cut(self) -> bool:
        """Whether it was interrupted."""
        return len(self.words) < len(self.text.split())


@dataclass(frozen=True)
class Conversation:
    """A finished conversation of ``frames`` frames."""

    facts: Facts
    prompt: str
    lines: tuple[Line, ...]
    frames: int


@dataclass
class Script:
    """A conversation in the making; ``now`` is the time up to which it is written."""

    world: World
    facts: Facts
    takes: Mapping[str, list[Take]]  # of one recording, by kind
    sentences: Mapping[str, Sentence]  # of one voice, by text
    rng: np.random.Generator
    now: float = 0.0
    last: str = ""  # what the robot answered last
    lines: list[Line] = field(default_factory=list)

    def user_says(self, take: Take, kind: str) -> Line:
        """Let the caller speak at ``now``, or less than a frame later."""
        at_s = max(0, math.ceil((self.now - take.start_s) / FRAME_S)) * FRAME_S
        pauses = tuple((at_s + a, at_s + b) for a, b in take.pauses)
        words = tuple(word.later(at_s) for word in take.words)
        line = Line(
            "user", kind, take.text, at_s + take.start_s, at_s + take.end_s, words, take,
            take.intent, pauses,
        )  # fmt: skip
        self.lines.append(line)
        return line

    def agent_says(self, text: str, kind: str, start_s: float, intent: str = "") -> Line:
        """Let the robot speak from ``start_s``, the start of a frame."""
        sentence = self.sentences[text]
        end_s = start_s + sentence.duration_s
        words = tuple(word.later(start_s) for word in sentence.words)
        line = Line("agent", kind, text, start_s, end_s, words, sentence, intent)
        self.lines.append(line)
        return line

    def reply(self, after: Line) -> Line:
        """Let the robot answer what was said."""
        text = self.world.answer(after.intent, self.facts, self.last, self.rng)
        if after.intent != "repeat":
            self.last = text
        wait = float(self.rng.uniform(*REPLY_S)) + THANKS_S * (after.intent == "thanks")
        start = math.ceil((after.end_s + wait) / FRAME_S) * FRAME_S
        return self.agent_says(text, "answer", start, after.intent)

    def speak_up(self) -> None:
        """Let the robot say something that nobody asked for, such as a greeting."""
        intents = [name for name in self.world.intents if name != "repeat"]
        greets = self.rng.random() < GREETS_CHANCE
        intent = "greeting" if greets else pick(intents, self.rng)
        self.last = self.world.answer(intent, self.facts, self.last, self.rng)
        start = math.ceil(self.now / FRAME_S) * FRAME_S
        line = self.agent_says(self.last, "given", start, intent)
        self.now = line.end_s + float(self.rng.uniform(0.4, 3.0))

    def ask(self, kind: str) -> Line:
        """Let the caller ask something that can be answered."""
        while True:
            take = pick(self.takes[kind], self.rng)
            if self.last or take.intent != "repeat":
                return self.user_says(take, kind)

    def exchange(self, kind: str) -> None:
        """Write one exchange of a kind, see ``KINDS``."""
        rng = self.rng
        if kind == "silence":
            self._wait()
            return
        if kind == "story" and self.takes.get("opening"):
            self._story()
            return
        answer = self.reply(self.ask("question"))
        length = answer.end_s - answer.start_s
        if kind == "interruption" and length > 1.0:
            answer = self._interrupt(answer)
        elif kind == "backchannel" and length > 1.0:
            self.now = answer.start_s + float(rng.uniform(0.3, length - 0.3))
            into = "noise" if self.takes.get("noise") and rng.random() < NOISE_INTO else kind
            self.user_says(pick(self.takes[into], rng), into)
        elif kind == "late_backchannel":
            self.now = answer.end_s + float(rng.uniform(0.2, 0.8))
            self.user_says(pick(self.takes["backchannel"], rng), "backchannel")
        self.now = max(answer.end_s, self.lines[-1].end_s) + float(rng.uniform(0.5, 2.5))

    def _wait(self) -> None:
        """Let nobody speak to the robot for a while, in which something may be heard."""
        rng = self.rng
        while self.takes.get("noise") and rng.random() < NOISE_CHANCE:
            self.now += float(rng.uniform(0.1, 2.0))
            self.now = self.user_says(pick(self.takes["noise"], rng), "noise").end_s
        self.now += float(rng.uniform(1, 5))
        if rng.random() < SAYS_CHANCE:
            self.speak_up()

    def _interrupt(self, answer: Line) -> Line:
        rng = self.rng
        self.now = answer.start_s + float(rng.uniform(0.4, answer.end_s - answer.start_s - 0.3))
        place = self.lines.index(answer)
        question = self.ask("interruption")
        broke_in = any(question.text.startswith(word) for word in self.world.breaks)
        frames = math.floor((question.start_s + rng.uniform(*YIELD_S)) / FRAME_S)
        cut = (frames + (not broke_in)) * FRAME_S
        if cut < answer.end_s:
            self.lines[place] = answer.cut(cut)
        return self.reply(question)

    def _story(self) -> None:
        rng, takes = self.rng, self.takes
        parts = takes["part"][: int(rng.integers(2, len(takes["part"]) + 1))]
        for take in (takes["opening"][0], *parts):
            line = self.user_says(take, "story")
            gap = float(rng.uniform(0.6, 1.1))
            if rng.random() < 0.7:
                start = (math.ceil(line.end_s / FRAME_S) + int(rng.integers(1, 3))) * FRAME_S
                self.agent_says(pick(self.world.agent_backchannels, rng), "backchannel", start)
            self.now = line.end_s + gap
        closing = self.user_says(takes["closing"][0], "question")
        self.last = pick(self.world.stories["answers"], rng)
        start = (math.ceil(closing.end_s / FRAME_S) + 2) * FRAME_S
        self.now = self.agent_says(self.last, "answer", start, "story").end_s + 1.0

    def finish(self) -> Conversation:
        """Return the conversation."""
        ends = max((line.end_s for line in self.lines), default=0.0)
        frames = math.ceil(max(self.now, ends + 0.5) / FRAME_S)
        lines = tuple(sorted(self.lines, key=lambda line: line.start_s))
        return Conversation(self.facts, self.world.prompt(self.facts, self.rng), lines, frames)


def converse(
    world: World,
    recording: Recording,
    sentences: Mapping[str, Sentence],
    seconds: float,
    rng: np.random.Generator,
) -> Conversation:
    """Write a conversation of about ``seconds`` between a recorded caller and one voice."""
    takes: dict[str, list[Take]] = {}
    for take in recording.takes:
        takes.setdefault(take.kind, []).append(take)
    script = Script(world, world.random_facts(rng), takes, sentences, rng)
    script.now = float(rng.uniform(0.3, 3.0))
    nobody = rng.random() < NOBODY_CHANCE
    if rng.random() < OPENED_CHANCE:
        script.speak_up()
    while script.now < seconds - 4:
        script.exchange("silence" if nobody else str(rng.choice(KINDS, p=CHANCES)))
    if nobody:
        return script.finish()
    goodbyes = [take for take in takes["question"] if take.intent == "goodbye"]
    if goodbyes and rng.random() < GOODBYE_CHANCE:
        script.now = script.reply(script.user_says(pick(goodbyes, rng), "question")).end_s + 1.0
    return script.finish()
