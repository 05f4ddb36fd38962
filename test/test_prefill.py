"""A prompt taken in one pass leaves the model as single steps do, and can be started often."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from reference import (
    GREEDY,
    LM,
    converse,
    ids,
    random_frames,
    random_lm,
    speech_like,
    talk,
    write_checkpoint,
)
from torch import Tensor

import personaplex_ros.lm.model
from personaplex_ros.audio.wave import write_wave
from personaplex_ros.checkpoint import WaveVoice, load_voice
from personaplex_ros.engine import Engine, Persona, PreparedPersona, Sampling
from personaplex_ros.engine.prepared import encode_voice
from personaplex_ros.lm import LanguageModel, LMState, Sampler
from personaplex_ros.lm.grid import get_column, lay_out, put_frame
from personaplex_ros.persona import tagged
from personaplex_ros.prompt import prompt_frames

PERSONA = Persona("host", "You work for a hotel by the lake and your name is Ann.")


def stepped(lm: LanguageModel, frames: Tensor) -> LMState:
    """Take frames int64 [rows, F] through the model one step a frame, depth transformer and all."""
    state, shape, split = lm.initial_state(1), lm.grid_shape(), 1 + lm.config.codebooks
    noise = Sampler(1, lm.config.codebooks, (1, 1), "cpu")
    for number in range(1, frames.shape[1]):
        frame = frames[None, :, number]
        put_frame(state.grid, shape, 0, frame[:, :split], torch.tensor([number]))
        hidden = lm.temporal_step(state, frame[:, split:], shape, even=True)
        lm.depth_step(state, hidden, shape, noise.text, noise.audio, None)
        state.columns[0] += 1
    return state


def assert_same_state(lm: LanguageModel, one_pass: LMState, steps: LMState) -> None:
    assert one_pass.columns == steps.columns
    assert torch.equal(one_pass.position, steps.position)
    shape = lm.grid_shape()
    for ahead in range(shape.longest_delay + 1):
        columns = [get_column(s.grid, shape, s.position + ahead) for s in (one_pass, steps)]
        assert torch.equal(*columns)
    for ours, theirs in zip(one_pass.caches, steps.caches, strict=True):
        room = ours.keys.shape[2]
        torch.testing.assert_close(ours.keys, theirs.keys[:, :, :room], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(ours.values, theirs.values[:, :, :room], rtol=1e-4, atol=1e-4)
        assert room == lm.config.context - 1 or not theirs.keys[:, :, room:].any()


def prompt_of(engine: Engine, persona: Persona, codes: Tensor | None = None) -> Tensor:
    text = engine.tokenizer.encode(tagged(persona.text_prompt))
    return prompt_frames(engine.lm.config, engine.frame_rate, codes, text)


@pytest.mark.parametrize("context", [128, 30, 12], ids=["fits", "wraps", "wraps often"])
@pytest.mark.parametrize("longest_pass", [512, 7, 1])
def test_one_pass_leaves_the_state_of_single_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, context: int, longest_pass: int
) -> None:
    monkeypatch.setattr(personaplex_ros.lm.model, "LONGEST_PASS", longest_pass)
    lm = dataclasses.replace(LM, context=context)
    engine = Engine.load(write_checkpoint(tmp_path, lm), device="cpu")
    frames = prompt_of(engine, PERSONA)
    assert 30 < frames.shape[1] < 60
    prepared = engine.prepare(PERSONA)
    with torch.inference_mode():
        steps = stepped(engine.lm, frames)
    assert_same_state(engine.lm, prepared.state, steps)

    user = talk(engine, 2.4)
    conversations = []
    for beginning in (prepared, PreparedPersona(PERSONA, steps)):
        session = engine.open(beginning, GREEDY)
        conversations.append(converse(session, user))
        session.close()
    assert conversations[0] == conversations[1]


@pytest.mark.parametrize("delays", [(0, *(0, 2, 2, 2, 2, 2, 2, 2) * 2), (0,) * 17])
def test_other_delays_prefill_alike(delays: tuple[int, ...]) -> None:
    lm = random_lm(dataclasses.replace(LM, delays=delays, context=24))
    frames = random_frames(lm.config, 40)
    columns = lay_out(frames, lm.config)
    one_pass = lm.initial_state(1, 39)
    with torch.inference_mode():
        lm.prefill(one_pass, lm.embed(columns[:, :39].t()[None]))
        steps = stepped(lm, frames)
    for ours, theirs in zip(one_pass.caches, steps.caches, strict=True):
        torch.testing.assert_close(ours.keys, theirs.keys, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(ours.values, theirs.values, rtol=1e-4, atol=1e-4)


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("voice") / "voice.wav"
    write_wave(path, speech_like(1.5, seed=8), 24000)
    return str(path)


def test_a_wave_voice_is_prefilled_as_single_steps_do(small_engine: Engine, voice: str) -> None:
    persona = dataclasses.replace(PERSONA, voice=voice)
    loaded = load_voice(voice, 24000)
    assert isinstance(loaded, WaveVoice)
    codes = encode_voice(loaded, small_engine.codec, 8)
    assert codes.shape == (8, 19)  # 1.5 s are 18.75 frames; the last is filled up
    with torch.inference_mode():
        steps = stepped(small_engine.lm, prompt_of(small_engine, persona, codes))
    assert_same_state(small_engine.lm, small_engine.prepare(persona).state, steps)


def test_an_embedded_voice_begins_as_the_wave_it_was_made_from(
    small_engine: Engine, voice: str, tmp_path: Path
) -> None:
    lm, width = small_engine.lm, small_engine.lm.grid_shape().width
    loaded = load_voice(voice, 24000)
    assert isinstance(loaded, WaveVoice)
    codes = encode_voice(loaded, small_engine.codec, 8)
    count = codes.shape[1]
    columns = lay_out(prompt_of(small_engine, Persona("x"), codes)[:, :count], lm.config)
    grid = torch.full((1, lm.config.rows, width), 3)
    for number in range(columns.shape[1]):
        grid[0, :, number % width] = columns[:, number]
    embedded = lm.embed(columns[:, : count - 1].t()[:, None])[:, :, None]
    torch.save({"embeddings": embedded, "cache": grid}, tmp_path / "voice.pt")

    waved, stored = (
        small_engine.prepare(dataclasses.replace(PERSONA, voice=path))
        for path in (voice, str(tmp_path / "voice.pt"))
    )
    assert_same_state(lm, stored.state, waved.state)
    assert embedded.shape == (count - 1, 1, 1, lm.config.dim)


def test_a_prepared_persona_begins_alike_every_time_and_everywhere(
    small_checkpoint: Path, voice: str
) -> None:
    engine = Engine.load(small_checkpoint, device="cpu", slots=3)
    prepared = engine.prepare(dataclasses.replace(PERSONA, voice=voice))
    user = talk(engine, 2.0)
    for sampling in (GREEDY, Sampling()):
        sessions = [engine.open(prepared, sampling, seed=3) for _ in range(3)]
        together = [engine.step(dict.fromkeys(sessions, frame)) for frame in user]
        said = [[ids(results[session]) for results in together] for session in sessions]
        assert said[0] == said[1] == said[2]
        for session in sessions[1:]:
            session.close()
        sessions[0].restart()
        assert converse(sessions[0], user) == said[0]
        sessions[0].restart(Persona("other"))
        assert converse(sessions[0], user) != said[0]
        sessions[0].restart(prepared)
        assert converse(sessions[0], user) == said[0]
        sessions[0].close()


def test_a_prepared_persona_takes_no_more_room_than_its_prompt(small_engine: Engine) -> None:
    prepared = small_engine.prepare(Persona("short"))
    assert prepared.state.columns == [11]
    assert all(cache.keys.shape[2] == 11 for cache in prepared.state.caches)
