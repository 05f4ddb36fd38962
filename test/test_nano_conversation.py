"""The bundled model converses, and an engine that is broken does not.

A few fixed dialogues with callers, wordings and personas that it was not trained on. The bars are
far below what docs/nano.md reports, so that only what breaks it can fall below them.
"""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import personaplex_ros.engine.prepared
from personaplex_ros.engine import Engine, Sampling
from personaplex_ros.persona import prompt_frames
from personaplex_ros.resources import share_directory
from personaplex_ros.training.evaluation.converse import Job, Stage, write_voices
from personaplex_ros.training.evaluation.judge import judge
from personaplex_ros.training.evaluation.scenarios import plan_dialogue
from personaplex_ros.training.world import World, load_world

NANO = share_directory() / "checkpoints" / "nano"
DIALOGUES = 6
BARS = {"answer": 0.75, "takeover": 0.85, "silenced": 0.6, "goes_on": 0.7}


@pytest.fixture(scope="module")
def world() -> World:
    return load_world()


def measure(engine: Engine, world: World, folder: Path) -> dict[str, float]:
    """Return the shares in which the fixed dialogues went as they should."""
    voices = write_voices(world, folder, seed=1)
    plans = (plan_dialogue(world, (1, 1, number)) for number in range(DIALOGUES))
    jobs = (Job(n, plan, "wave", str(voices[plan.voice])) for n, plan in enumerate(plans))
    values = defaultdict(list)
    for dialogue in Stage(engine, world, DIALOGUES, Sampling(), seed=1).run(jobs):
        for verdict in judge(dialogue, world):
            values[verdict.measure].append(verdict.value)
    return {name: float(np.mean(some)) for name, some in values.items()}


def reached(shares: dict[str, float]) -> set[str]:
    return {name for name, bar in BARS.items() if shares.get(name, 0.0) >= bar}


def test_nano_answers_takes_turns_yields_and_goes_on(world: World, tmp_path: Path) -> None:
    shares = measure(Engine.load("nano", slots=DIALOGUES), world, tmp_path)
    assert reached(shares) == set(BARS), shares


def acoustic_codes_a_frame_late(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    shutil.copytree(NANO, folder)
    config = json.loads((folder / "config.json").read_text())
    config["delays"] = [2 * delay for delay in config["delays"]]
    (folder / "config.json").write_text(json.dumps(config))
    return Engine.load(folder, slots=DIALOGUES)


def text_prompt_before_the_voice(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    def reversed_frames(config, frame_rate, voice: Tensor, text: list[int]) -> Tensor:  # type: ignore[no-untyped-def]
        frames = prompt_frames(config, frame_rate, voice, text)
        return frames.roll(-voice.shape[1], dims=1)

    monkeypatch.setattr(personaplex_ros.engine.prepared, "prompt_frames", reversed_frames)
    return Engine.load("nano", slots=DIALOGUES)


def user_and_agent_swapped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    engine = Engine.load("nano", slots=DIALOGUES)
    count = engine.lm.config.codebooks
    with torch.no_grad():
        for agent, user in zip(engine.lm.emb[:count], engine.lm.emb[count:], strict=True):
            agent.weight.data, user.weight.data = user.weight.data, agent.weight.data
    return engine


@pytest.mark.parametrize(
    "break_engine",
    [acoustic_codes_a_frame_late, text_prompt_before_the_voice, user_and_agent_swapped],
    ids=lambda function: function.__name__,
)
def test_a_broken_engine_is_noticed(
    world: World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    break_engine: Callable[[Path, pytest.MonkeyPatch], Engine],
) -> None:
    engine = break_engine(tmp_path / "broken", monkeypatch)
    shares = measure(engine, world, tmp_path)
    assert reached(shares) != set(BARS), shares
