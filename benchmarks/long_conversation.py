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
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from long_conversation_callers import FRAME_S, Talk, make_voice
from long_conversation_table import QUARTERS, table

from personaplex_ros.engine import Engine, Persona, Sampling
from personaplex_ros.engine.long_conversation import FRESH, MODES, PIN
from personaplex_ros.engine.rereading import Rereading
from personaplex_ros.files import write_whole
from personaplex_ros.lm import Sampler
from personaplex_ros.training.chance import pick
from personaplex_ros.training.voices.speakers import AGENTS
from personaplex_ros.training.world import load_world

CALLERS = 6


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
