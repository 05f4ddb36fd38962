"""The bundled model converses, and an engine that is broken does not.

A few fixed dialogues with callers, wordings and personas that it was not trained on. The bars are
far below what docs/nano.md reports, so that only what breaks it can fall below them. The order of
the prompts makes no difference to this model; test_golden.py notices when it is wrong.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from reference import ROOT

from personaplex_ros.engine import Engine, Sampling, load_persona
from personaplex_ros.training.conversations.corpus_making import sentence_codes
from personaplex_ros.training.evaluation.converse import Dialogue, Job, Stage, write_voices
from personaplex_ros.training.evaluation.fidelity import Listener
from personaplex_ros.training.evaluation.judge import judge
from personaplex_ros.training.evaluation.scenarios import plan_dialogue
from personaplex_ros.training.evaluation.turns import answers
from personaplex_ros.training.voices.speakers import AGENTS
from personaplex_ros.training.voices.speech import speak
from personaplex_ros.training.voices.speech_bank import at_level
from personaplex_ros.training.world import World, load_world

DIALOGUES = 6
BARS = {
    "answer": 0.6, "takeover": 0.8, "silenced": 0.3, "goes_on": 0.6, "understood": 0.85,
    "own_codes": 0.15,
}  # fmt: skip
LOUD = 0.02  # peak of a frame in which it speaks


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
    own: list[bool] = []
    for dialogue in Stage(engine, world, DIALOGUES, Sampling(), seed=1).run(jobs):
        for verdict in judge(dialogue, world):
            values[verdict.measure].append(verdict.value)
        own += codes_are_its_own(dialogue, engine)
        for answer in answers(dialogue):
            heard = listener.compare(answer, dialogue.plan.voice)
            words, misheard = words + heard.words, misheard + heard.robot
    shares = {name: float(np.mean(some)) for name, some in values.items()}
    return shares | {
        "understood": 1 - misheard / words if words else 0.0,
        "own_codes": float(np.mean(own)) if own else 0.0,
    }


def codes_are_its_own(dialogue: Dialogue, engine: Engine) -> list[bool]:
    """Tell for each frame of speech whether its first two codes go together in the robot's voice.

    That is, whether the synthesiser's speech of the same answers, in the same voice and encoded by
    the same codec, has them in one frame.
    """
    together: set[tuple[int, ...]] = set()
    for text in {answer.text for answer in answers(dialogue)}:
        speech = at_level(speak(text, AGENTS[dialogue.plan.voice]).samples)
        together.update(map(tuple, sentence_codes(engine.codec, speech)[:2].T.tolist()))
    frames = dialogue.robot.reshape(-1, engine.frame_size)[1:]
    loud = np.abs(frames).max(axis=1) > LOUD
    return [tuple(pair) in together for pair in dialogue.codes[:2].T[loud].tolist()]


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


@pytest.mark.long
def test_an_engine_that_swaps_user_and_agent_is_noticed(world: World, tmp_path: Path) -> None:
    shares = measure(user_and_agent_swapped(), world, tmp_path)
    # It hardly speaks, so whether it goes on at a backchannel is decided by a case or two.
    assert reached(shares) <= {"goes_on"}, shares


def with_acoustic_delay(frames: int) -> Engine:
    engine = Engine.load("nano", slots=DIALOGUES)
    config = engine.lm.config
    delays = tuple(frames if delay else 0 for delay in config.delays)
    engine.lm.config = dataclasses.replace(config, delays=delays)
    return Engine(engine.lm, engine.codec, engine.tokenizer, engine.voice_folders, DIALOGUES)


@pytest.mark.long
@pytest.mark.parametrize("frames", [0, 2])
def test_an_engine_whose_delay_is_off_by_one_is_noticed(
    world: World, tmp_path: Path, frames: int
) -> None:
    assert set(Engine.load("nano").lm.config.delays) == {0, 1}
    shares = measure(with_acoustic_delay(frames), world, tmp_path)
    assert "own_codes" not in reached(shares), shares


@pytest.mark.long
def test_it_knows_who_it_is_when_its_context_is_long_full() -> None:
    engine = Engine.load("nano", device="cpu")
    session = engine.open(load_persona("receptionist"), seed=7)
    caller, rate = soundfile.read(ROOT / "config" / "demo" / "caller.wav", dtype="float32")
    assert rate == engine.sample_rate
    said = []
    for _ in range(4):
        frames = caller[: len(caller) // engine.frame_size * engine.frame_size]
        frames = frames.reshape(-1, engine.frame_size)
        said.append("".join(session.push(frame).piece for frame in frames))
    assert session.position > 2 * engine.context_frames
    for text in said[-2:]:
        assert "second floor" in text and "five" in text, said
