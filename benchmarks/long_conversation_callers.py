"""Callers that nano was not trained on: what they say and when, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from personaplex_ros.engine import Engine, Persona
from personaplex_ros.training.chance import pick
from personaplex_ros.training.conversations.callers import ask, random_intent
from personaplex_ros.training.sound.microphone import Microphone
from personaplex_ros.training.voices.speakers import random_caller
from personaplex_ros.training.voices.speech import RATE
from personaplex_ros.training.world import Facts, World

FRAME_S = 0.08
LEAD_S, TAIL_S, IDLE_S = 1.2, 1.0, 16.0  # of the room, before and after a sentence, and alone
GAP_S = (0.8, 2.5)  # from the robot's end to the next question
LONG_GAP_S, LONG_GAPS = (8.0, 30.0), 0.08  # the caller falls silent; how often
INTERRUPTIONS = 0.2  # of the questions
TALKING_S = (0.8, 1.3)  # the robot has been heard for so long when it is interrupted
PATIENCE_S, ENDURANCE_S = 4.0, 12.0  # for an answer to begin, and to end
YIELD_S, LISTEN_S = 0.6, 0.3  # until the robot must be silent, and for how long that is judged
WHOLE = 25  # frames that are encoded at once


@dataclass(frozen=True)
class Line:
    """A sentence as the model hears it: codes int64 [n, codebooks]; the first ``spoken`` sound."""

    kind: str
    intent: str
    codes: NDArray[np.int64]
    spoken: int


@dataclass(frozen=True)
class Voice:
    """What one caller can say, and what is heard of the room when nobody speaks."""

    questions: dict[str, Line]
    interruptions: list[Line]
    idle: NDArray[np.int64]


@dataclass
class Asked:
    """Something a caller said, in frames from the conversation's beginning, and what came of it."""

    kind: str
    intent: str
    end: int
    until: int = 0
    taken: int | None = None  # frames from its end until the robot was heard
    right: bool | None = None  # None: the answer was interrupted
    silenced: bool | None = None  # of an interruption
    said: str = ""


@dataclass
class Talk:
    """A caller and what is known of the conversation."""

    voice: Voice
    facts: Facts
    persona: Persona
    world: World
    rng: np.random.Generator
    asked: list[Asked] = field(default_factory=list)
    sound: list[bool] = field(default_factory=list)  # whether the robot was heard, by frame
    pieces: list[str] = field(default_factory=list)
    line: Line | None = None
    at: int = 0  # frame of the line
    due: int = 12  # frames of quiet until the next question
    breaks: int | None = None  # frames of sound until it is interrupted

    def frame(self) -> NDArray[np.int64]:
        """Return what the model hears next."""
        now = len(self.sound)
        ready = self.line is None or self.at >= self.line.spoken
        if ready and self._interrupts(now):
            self._say(pick(self.voice.interruptions, self.rng), now)
        elif ready and self._goes_on(now):
            intent = random_intent(self.world, self.rng)
            while intent == "repeat":
                intent = random_intent(self.world, self.rng)
            self._say(self.voice.questions[intent], now)
        if self.line is not None and self.at < len(self.line.codes):
            self.at += 1
            return self.line.codes[self.at - 1]
        return self.voice.idle[now % len(self.voice.idle)]

    def hear(self, sound: bool, piece: str) -> None:
        """Take note of a frame of the robot."""
        self.sound.append(sound)
        self.pieces.append(piece)
        asked = self.asked[-1] if self.asked else None
        now = len(self.sound)
        if (
            asked
            and asked.taken is None
            and sound
            and now > asked.end
            and not any(self.sound[max(0, asked.end - 3) : now - 1])
        ):
            asked.taken = now - asked.end

    def _interrupts(self, now: int) -> bool:
        if self.breaks is None or not self.asked or self.asked[-1].taken is None:
            return False
        begun = self.asked[-1].end + self.asked[-1].taken
        return now - begun >= self.breaks and self.sound[-1]

    def _goes_on(self, now: int) -> bool:
        if not self.asked:
            return now >= self.due
        last = self.asked[-1]
        waited = (now - last.end) * FRAME_S
        quiet = now - max((i for i in range(now - 1, last.end, -1) if self.sound[i]), default=now)
        quiet = now - last.end if not any(self.sound[last.end :]) else quiet
        answered = last.taken is not None and quiet >= self.due
        return (
            answered
            or waited >= ENDURANCE_S + self.due * FRAME_S
            or (last.taken is None and waited >= PATIENCE_S)
        )

    def _say(self, line: Line, now: int) -> None:
        self._judge(now, interrupted=line.kind == "interruption")
        self.line, self.at = line, 0
        self.asked.append(Asked(line.kind, line.intent, now + line.spoken))
        long = self.rng.random() < LONG_GAPS
        self.due = round(float(self.rng.uniform(*(LONG_GAP_S if long else GAP_S))) / FRAME_S)
        breaks = line.kind == "question" and self.rng.random() < INTERRUPTIONS
        self.breaks = round(float(self.rng.uniform(*TALKING_S)) / FRAME_S) if breaks else None

    def _judge(self, now: int, interrupted: bool) -> None:
        """Judge what came of the last that was said."""
        if not self.asked or not self.asked[-1].end:
            return
        last = self.asked[-1]
        last.until = now
        last.said = "".join(self.pieces[last.end : now]).strip()
        if not interrupted:
            last.right = self.world.accepts(last.intent, self.facts, "", last.said)
        if last.kind == "interruption" and self.line is not None:
            begun = last.end - self.line.spoken
            wait = round(YIELD_S / FRAME_S)
            until = max(last.end, begun + wait + round(LISTEN_S / FRAME_S))
            last.silenced = not any(self.sound[begun + wait : until])


def make_voice(engine: Engine, world: World, seed: tuple[int, ...]) -> Voice:
    """Let a held-out caller say everything once, in a room."""
    rng = np.random.default_rng(seed)
    caller, microphone = random_caller(rng, held_out=True), Microphone.draw(rng)
    intents = [name for name in world.intents if name != "repeat"]
    spoken = [ask(world, caller, i, "question", rng, held_out=True) for i in intents]
    while len(spoken) < len(intents) + 10:
        one = ask(world, caller, pick(intents, rng), "interruption", rng, held_out=True)
        if one.text.startswith(world.breaks):
            spoken.append(one)
    size, lead = engine.frame_size, round(LEAD_S / FRAME_S)
    waves = []
    for one in spoken:
        speech = microphone.hear(one.speech.samples)
        wave = microphone.noise(lead * size + len(speech) + round(TAIL_S * RATE), rng)
        wave[lead * size : lead * size + len(speech)] += speech
        waves.append(wave)
    codes = encode(engine, waves)
    lines = []
    for one, wave, heard in zip(spoken, waves, codes, strict=True):
        frames = slice(lead, -(-len(wave) // size))
        length = -(-len(one.speech.samples) // size)
        lines.append(Line(one.kind, one.intent, heard[frames], length))
    questions = {line.intent: line for line in lines if line.kind == "question"}
    idle = encode(engine, [microphone.noise(round((LEAD_S + IDLE_S) * RATE), rng)])[0, lead:]
    return Voice(questions, [line for line in lines if line.kind == "interruption"], idle)


def encode(engine: Engine, waves: list[NDArray[np.float32]]) -> NDArray[np.int64]:
    """Encode waves as streams of their own: int64 [waves, frames, codebooks]."""
    size, codebooks = engine.frame_size, engine.lm.config.codebooks
    frames = max(-(-len(wave) // size) for wave in waves)
    batch = torch.zeros(len(waves), 1, frames * size)
    for row, wave in enumerate(waves):
        batch[row, 0, : len(wave)] = torch.from_numpy(np.clip(wave, -1, 1))
    state = engine.codec.encoder_state(len(waves))
    with torch.inference_mode():
        parts = [
            engine.codec.encode(part, state, codebooks)
            for part in batch.split(WHOLE * size, dim=-1)
        ]
    return torch.cat(parts, dim=2).transpose(1, 2).numpy()
