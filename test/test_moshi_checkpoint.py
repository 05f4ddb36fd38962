"""Moshi checkpoints: 8 depth steps, no persona; they say what moshi's own generator says."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from oracles import moshi_lm, moshi_mimi
from reference import CODEC, GREEDY, moshi_config, talk, write_checkpoint

from personaplex_ros.checkpoint import WaveVoice
from personaplex_ros.engine import Engine, Persona, StepResult
from personaplex_ros.engine.prepared import encode_voice

NOBODY = Persona("nobody")
SECONDS = 8.0  # 100 frames, past the context of 64


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    folder = write_checkpoint(tmp_path_factory.mktemp("moshi"), moshi_config())
    return Engine.load(folder, device="cpu")


@pytest.fixture(scope="module")
def results(engine: Engine) -> list[StepResult]:
    session = engine.open(NOBODY, GREEDY)
    said = [session.push(frame) for frame in talk(engine, SECONDS)]
    session.close()
    return said


def test_a_conversation_equals_that_of_moshi(engine: Engine, results: list[StepResult]) -> None:
    heard = encode_voice(WaveVoice(np.concatenate(talk(engine, SECONDS))), engine.codec, 8)
    lm = pytest.importorskip("moshi.models.lm", reason="moshi or einops is missing")
    # The window is one position shorter than the context, see test_language_model.
    theirs = lm.LMGen(moshi_lm(engine.lm, engine.lm.config.context - 1), use_sampling=False)
    # Column 0 holds the initial tokens, so a generator's first frame of the user is lost. Ours
    # reads column 0 in the step that hears frame 0, theirs before it: theirs gets a frame to lose.
    frames = torch.cat([torch.zeros(8, 1, dtype=torch.int64), heard], dim=1)
    with torch.inference_mode(), theirs.streaming(1):
        expected = [theirs.step(frame[None]) for frame in frames[:, :-1].split(1, dim=1)]
    assert expected[0] is None
    ours = [(result.token, *result.codes) for result in results[1:]]
    assert ours == [tuple(tokens.flatten().tolist()) for tokens in expected[1:]]
    assert len(set(ours)) > 50


def test_the_voice_equals_that_of_moshi(engine: Engine, results: list[StepResult]) -> None:
    theirs = moshi_mimi(engine.codec, CODEC.context - 1)
    codes = [torch.from_numpy(result.codes)[None, :, None] for result in results[1:]]
    with torch.inference_mode(), theirs.streaming(1):
        expected = np.concatenate([theirs.decode(frame)[0, 0].numpy() for frame in codes])
    ours = np.concatenate([result.audio for result in results[1:]])
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-4)


def test_nothing_is_said_before_the_delays_are_over(results: list[StepResult]) -> None:
    first = results[0]
    assert not first.audio.any() and first.audio.shape == (1920,)
    assert (first.silent, first.piece) == ("PAD", "")
    assert results[1].audio.any()


def test_conversations_begin_from_nothing(engine: Engine) -> None:
    session = engine.open(NOBODY)
    assert session.position == 0
    session.close()


def test_every_conversation_begins_alike(engine: Engine, results: list[StepResult]) -> None:
    session = engine.open(NOBODY, GREEDY)
    session.push(np.ones(1920, np.float32))
    session.restart()
    again = [session.push(frame) for frame in talk(engine, SECONDS)[:12]]
    session.close()
    for result, expected in zip(again, results[:12], strict=True):
        assert result.token == expected.token
        np.testing.assert_array_equal(result.codes, expected.codes)
        np.testing.assert_allclose(result.audio, expected.audio, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    "delays",
    [(0,) * 17, (0, *(0, 2, 2, 2, 2, 2, 2, 2) * 2), (0, *(0, 1, 2, 3, 4, 5, 6, 7) * 2),
     (0, *(3,) * 8, *(0,) * 8), (1, *(1,) * 8, *(4,) * 8)],
)  # fmt: skip
def test_other_delays_say_what_moshi_says(tmp_path: Path, delays: tuple[int, ...]) -> None:
    # The delays do not fall from one agent row to the next: there the generator would condition
    # a code on a sample that it drops, where training has, and we have, the initial token.
    lm = pytest.importorskip("moshi.models.lm", reason="moshi or einops is missing")
    config = dataclasses.replace(moshi_config(), delays=delays)
    engine = Engine.load(write_checkpoint(tmp_path, config), device="cpu")
    frames = talk(engine, 2.4)
    session = engine.open(NOBODY, GREEDY)
    said = [session.push(frame) for frame in frames]
    heard = encode_voice(WaveVoice(np.concatenate(frames)), engine.codec, 8)
    theirs = lm.LMGen(moshi_lm(engine.lm, config.context), use_sampling=False)
    fed = torch.cat([torch.zeros(8, 1, dtype=torch.int64), heard], dim=1)
    with torch.inference_mode(), theirs.streaming(1):
        expected = [theirs.step(frame[None]) for frame in fed[:, :-1].split(1, dim=1)]
    silent = max(delays)
    assert not any(result.audio.any() or result.piece for result in said[:silent])
    assert not any(tokens is not None for tokens in expected[:silent])
    ours = [(result.token, *result.codes) for result in said[silent:]]
    assert ours == [tuple(tokens.flatten().tolist()) for tokens in expected[silent:]]


@pytest.mark.parametrize("what", ["text", "voice"])
def test_a_persona_is_refused(engine: Engine, tmp_path: Path, what: str) -> None:
    voice = tmp_path / "voice.pt"
    torch.save(
        {"embeddings": torch.zeros(4, 1, 1, 64), "cache": torch.zeros(1, 17, 4).long()}, voice
    )
    persona = Persona("maya", "Be kind.") if what == "text" else Persona("maya", voice=str(voice))
    with pytest.raises(ValueError, match=r"persona 'maya': this is a Moshi checkpoint"):
        engine.open(persona)
    session = engine.open(NOBODY)  # the slot is still free
    session.close()


@pytest.mark.parametrize(
    ("stated", "takes_persona"),
    [({"dep_q": 8}, False), ({"dep_q": 16}, True), ({}, False),
     ({"dep_q": 8, "model_type": "personaplex"}, True), ({"model_type": "moshi"}, False)],
)  # fmt: skip
def test_what_a_model_is_follows_from_its_type_else_from_its_depth_steps(
    tmp_path: Path, stated: dict[str, object], takes_persona: bool
) -> None:
    # A PersonaPlex file may carry 8 of 16 steps; Kyutai's repositories state no type.
    folder = write_checkpoint(tmp_path, moshi_config())
    config = json.loads((folder / "config.json").read_text())
    kept = {key: value for key, value in config.items() if key not in ("dep_q", "model_type")}
    (folder / "config.json").write_text(json.dumps(kept | stated))
    assert Engine.load(folder, device="cpu").lm.config.takes_persona == takes_persona
