"""The bundled model converses, and an engine that is broken does not.

A few fixed dialogues with callers, wordings and personas that it was not trained on. The bars are
far below what docs/nano.md reports, so that only what breaks it can fall below them.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch

from personaplex_ros.engine import Engine, Sampling
from personaplex_ros.training.evaluation.converse import Job, Stage, write_voices
from personaplex_ros.training.evaluation.fidelity import Listener
from personaplex_ros.training.evaluation.judge import judge
from personaplex_ros.training.evaluation.scenarios import plan_dialogue
from personaplex_ros.training.evaluation.turns import answers
from personaplex_ros.training.world import World, load_world

DIALOGUES = 6
BARS = {"answer": 0.6, "takeover": 0.8, "silenced": 0.3, "goes_on": 0.6, "understood": 0.85}


@pytest.fixture(scope="module")
def world() -> World:
    return load_world()


def measure(engine: Engine, world: World, folder: Path) -> dict[str, float]:
    """Return the shares in which the fixed dialogues went as they should."""
    voices = write_voices(world, folder, seed=1)
    plans = (plan_dialogue(world, (1, 1, number)) for number in range(DIALOGUES))
    jobs = (Job(n, plan, "wave", str(voices[plan.voice])) for n, plan in enumerate(plans))
    values, listener = defaultdict(list), Listener(world, seed=1)
    words = misheard = 0
    for dialogue in Stage(engine, world, DIALOGUES, Sampling(), seed=1).run(jobs):
        for verdict in judge(dialogue, world):
            values[verdict.measure].append(verdict.value)
        for answer in answers(dialogue):
            heard = listener.compare(answer, dialogue.plan.voice)
            words, misheard = words + heard.words, misheard + heard.robot
    shares = {name: float(np.mean(some)) for name, some in values.items()}
    return shares | {"understood": 1 - misheard / words if words else 0.0}


def reached(shares: dict[str, float]) -> set[str]:
    return {name for name, bar in BARS.items() if shares.get(name, 0.0) >= bar}


def test_nano_answers_takes_turns_yields_and_goes_on(world: World, tmp_path: Path) -> None:
    shares = measure(Engine.load("nano", slots=DIALOGUES), world, tmp_path)
    assert reached(shares) == set(BARS), shares


def user_and_agent_swapped() -> Engine:
    engine = Engine.load("nano", slots=DIALOGUES)
    count = engine.lm.config.codebooks
    with torch.no_grad():
        for agent, user in zip(engine.lm.emb[:count], engine.lm.emb[count:], strict=True):
            agent.weight.data, user.weight.data = user.weight.data, agent.weight.data
    return engine


def test_an_engine_that_swaps_user_and_agent_is_noticed(world: World, tmp_path: Path) -> None:
    shares = measure(user_and_agent_swapped(), world, tmp_path)
    assert reached(shares) == set(), shares
