"""Conversations of half an hour with nano: what is right in each quarter, by what is kept of them.

usage: python benchmarks/long_conversation.py --json FILE [--mode pin] [--conversations 12]
           [--unpinned 3] [--minutes 30] [--seed 0]
       python benchmarks/long_conversation.py --table FILE...

Callers ask one thing after the other, fall silent, and break in; their voices, their wordings and
the personas are ones that nano was not trained on. To hold many at a time their sentences are
encoded once, and the robot is heard by its codes: a frame whose first code is not that of silence
is sound (99.2 % of the frames of a dialogue agree with the sound decoded from them). ``--unpinned``
conversations of the batch have the same ring as the others with nothing pinned.
A FILE that exists is gone on with: a batch with a number that it holds is not held again.
Needs requirements-training.txt.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from personaplex_ros.engine import Engine, Persona, Sampling
from personaplex_ros.engine.long_conversation import FRESH, MODES, PIN
from personaplex_ros.engine.rereading import Rereading
from personaplex_ros.estimate import share
from personaplex_ros.files import write_whole
from personaplex_ros.lm import Sampler
from personaplex_ros.training.callers import ask, random_intent
from personaplex_ros.training.chance import pick
from personaplex_ros.training.microphone import Microphone
from personaplex_ros.training.speakers import AGENTS, random_caller
from personaplex_ros.training.speech import RATE
from personaplex_ros.training.world import PERSONA_INTENTS, Facts, World, load_world

FRAME_S = 0.08
CALLERS = 6
LEAD_S, TAIL_S, IDLE_S = 1.2, 1.0, 16.0  # of the room, before and after a sentence, and alone
GAP_S = (0.8, 2.5)  # from the robot's end to the next question
LONG_GAP_S, LONG_GAPS = (8.0, 30.0), 0.08  # the caller falls silent; how often
INTERRUPTIONS = 0.2  # of the questions
TALKING_S = (0.8, 1.3)  # the robot has been heard for so long when it is interrupted
PATIENCE_S, ENDURANCE_S = 4.0, 12.0  # for an answer to begin, and to end
TAKEOVER_S, YIELD_S, LISTEN_S = 3.0, 0.6, 0.3
QUARTERS = 4
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


def hold(
    engine: Engine, talks: list[Talk], numbers: list[int], pinned: int, frames: int
) -> Iterator[None]:
    """Hold conversations, a quarter a turn; after the first ``pinned`` nothing is pinned."""
    lm, state, shape = engine.lm, engine.states.lm, engine.lm.grid_shape()
    silence = lm.config.silence_codes[0]
    vocabularies = (lm.config.text_cardinality, lm.config.cardinality)
    sampler = Sampler(len(talks), lm.config.codebooks, vocabularies, "cpu")
    rows = list(range(len(talks)))
    rereading = None
    if engine.long_conversation == FRESH:
        rereading = Rereading(lm, state)
    for row, number in enumerate(numbers):
        sampler.start(row, Sampling(), number)
        if rereading is not None:
            rereading.begin(row, engine.prepare(talks[row].persona))
        if row >= pinned and state.pinned is not None:
            state.pinned[row] = state.pins[row] = 0
    started = time.process_time()
    with torch.inference_mode():
        for frame in range(frames):
            user = torch.from_numpy(np.stack([talk.frame() for talk in talks]))
            sampler.refill(rows)
            sampler.upload()
            hidden = lm.temporal_step(state, user, shape, even=False)
            tokens = lm.depth_step(state, hidden, shape, sampler.text, sampler.audio, None)
            state.columns[:] = [column + 1 for column in state.columns]
            silent = {}
            for row, (text, first, *_) in enumerate(tokens.tolist()):
                silent[row] = text in (lm.config.text_padding, lm.config.text_end_padding)
                piece = "" if silent[row] else engine.tokenizer.piece(text)
                talks[row].hear(first != silence, piece)
            if rereading is not None:
                rereading.follow(silent)
            if (frame + 1) % (frames // QUARTERS) == 0:
                took = time.process_time() - started
                print(f"{(frame + 1) * FRAME_S:.0f} s held, {took:.0f} s of processor", flush=True)
                yield


def report(talk: Talk, number: int, mode: str, minutes: float) -> dict[str, Any]:
    """Return what is kept of a conversation."""
    quarter = round(minutes * 60 / FRAME_S) // QUARTERS
    parts = [talk.sound[number * quarter :][:quarter] for number in range(QUARTERS)]
    return {
        "number": number, "mode": mode, "minutes": minutes, "facts": asdict(talk.facts),
        "floor": [float(np.mean(part)) if part else None for part in parts],
        "asked": [asdict(one) for one in talk.asked[:-1]],
    }  # fmt: skip


def batch(
    arguments: argparse.Namespace, held: list[dict[str, Any]]
) -> Iterator[list[dict[str, Any]]]:
    """Hold one batch of conversations after those that were held; yields them every quarter."""
    world, seed = load_world(), arguments.seed
    count, unpinned = arguments.conversations, arguments.unpinned
    engine = Engine.load("nano", slots=count, threads=1, long_conversation=arguments.mode)
    voices = [make_voice(engine, world, (seed, 7, number)) for number in range(CALLERS)]
    first = 1 + max((one["number"] for one in held), default=-1)
    numbers = list(range(first, first + count))
    talks = []
    for number in numbers:
        rng = np.random.default_rng((seed, 8, number))
        facts = world.random_facts(rng, unseen=True)
        persona = Persona(facts.name, world.prompt(facts, rng), f"{pick(list(AGENTS), rng)}.pt")
        engine.open(persona, seed=number)
        talks.append(Talk(voices[number % CALLERS], facts, persona, world, rng))
    frames = round(arguments.minutes * 60 / FRAME_S)
    modes = [arguments.mode] * (count - unpinned) + ["unpinned"] * unpinned
    for _ in hold(engine, talks, numbers, count - unpinned, frames):
        yield [
            report(talk, number, mode, arguments.minutes)
            for talk, number, mode in zip(talks, numbers, modes, strict=True)
        ]


def table(conversations: list[dict[str, Any]]) -> str:
    """Return what was right in each quarter, by mode."""
    lines = []
    by_mode: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in conversations:
        by_mode[one["mode"]].append(one)
    for mode, some in by_mode.items():
        minutes = some[0]["minutes"]
        lines += [
            f"{mode}: {len(some)} conversations of {minutes:g} minutes", "",
            "| | first quarter | second | third | last |", "|---|---|---|---|---|",
        ]  # fmt: skip
        for name, kept in MEASURES.items():
            outcomes: list[list[bool]] = [[] for _ in range(QUARTERS)]
            for talk in some:
                for one in talk["asked"]:
                    quarter = int(one["end"] * FRAME_S / 60 / minutes * QUARTERS)
                    value = kept(one)
                    if value is not None:
                        outcomes[min(quarter, QUARTERS - 1)].append(value)
            cells = [
                f"{100 * e.value:.1f} % ({100 * e.low:.1f} to {100 * e.high:.1f}, n {e.n})"
                for e in map(share, outcomes)
            ]
            lines.append(f"| {name} | {' | '.join(cells)} |")
        floor = np.mean(np.array([one["floor"] for one in some], np.float64), axis=0)
        lines.append("| the robot's share of the time | "
                     + " | ".join(f"{100 * part:.1f} %" for part in floor) + " |")  # fmt: skip
        lines.append("")
    return "\n".join(lines)


def about_persona(one: dict[str, Any]) -> bool | None:
    return one["right"] if one["intent"] in PERSONA_INTENTS else None


def taken(one: dict[str, Any]) -> bool | None:
    if one["kind"] != "question":
        return None
    return one["taken"] is not None and one["taken"] * FRAME_S <= TAKEOVER_S


MEASURES = {
    "right answer": lambda one: one["right"],
    "persona's facts": about_persona,
    "takes the turn": taken,
    "falls silent when interrupted": lambda one: one["silenced"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mode", choices=MODES, default=PIN)
    parser.add_argument("--conversations", type=int, default=12, help="of the batch")
    parser.add_argument("--unpinned", type=int, default=0, help="of these, with nothing pinned")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--table", type=Path, nargs="+", metavar="FILE", help="print these alone")
    arguments = parser.parse_args()
    if arguments.table:
        print(table([one for path in arguments.table for one in json.loads(path.read_text())]))
        return
    path = arguments.json
    held = json.loads(path.read_text()) if path and path.is_file() else []
    done = held
    for talks in batch(arguments, held):
        done = held + talks
        print(table(done), flush=True)
        if path:
            partial = path.with_suffix(".part")
            text = json.dumps(done)
            write_whole(partial, lambda place, text=text: place.write_text(text))
    if path:
        path.with_suffix(".part").replace(path)


if __name__ == "__main__":
    main()
