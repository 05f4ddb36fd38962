"""A model with a codec of its own: nothing of the published sizes is wired in."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from oracles import moshi_mimi
from reference import (
    CODEC,
    GREEDY,
    LM,
    frames_of,
    speech_like,
    talk,
    write_checkpoint,
)

from personaplex_ros.audio.wave import write_wave
from personaplex_ros.engine import Engine, Persona
from personaplex_ros.lm.grid import get_frame
from personaplex_ros.mimi import MimiConfig

# 16 kHz, 25 frames a second, 4 codebooks of 256, strides of 320 and 2.
OTHER_CODEC = dataclasses.replace(
    CODEC, sample_rate=16000, frame_rate=25.0, ratios=(5, 4, 4, 4), cardinality=256, codebooks=4,
)  # fmt: skip
OTHER_LM = dataclasses.replace(
    LM, cardinality=256, audio_rows=8, depth_steps=4, delays=(0, 0, 2, 2, 2, 0, 2, 2, 2),
    text_padding=7, text_end_padding=9, silence_codes=(3, 250, 17, 200), sine_codes=(4, 5, 6, 255),
    prompt_pause=0.2, heads=8, context=40,
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_checkpoint(tmp_path_factory.mktemp("other"), OTHER_LM, OTHER_CODEC)
    config = json.loads((folder / "config.json").read_text())
    more = {"existing_text_padding_id": 7, "existing_text_end_padding_id": 9, "prompt_pause": 0.2}
    (folder / "config.json").write_text(json.dumps(config | more))
    return folder


def test_sizes_come_from_the_checkpoint(folder: Path) -> None:
    engine = Engine.load(folder, device="cpu")
    assert (engine.sample_rate, engine.frame_size, engine.frame_rate) == (16000, 640, 25.0)
    assert engine.context_frames == 40
    assert engine.lm.config == OTHER_LM and engine.codec.config == OTHER_CODEC


def test_a_conversation_runs_past_the_context(folder: Path, tmp_path: Path) -> None:
    engine = Engine.load(folder, device="cpu")
    write_wave(tmp_path / "voice.wav", speech_like(0.9, rate=22050), 22050)
    session = engine.open(Persona("x", "Be kind.", str(tmp_path / "voice.wav")), GREEDY)
    text = engine.tokenizer.encode("<system> be kind. <system>")  # it has no B
    assert session.position == 23 + 5 + len(text) + 5 - 1  # 0.9 s, 0.2 s, text, 0.2 s
    results = [session.push(frame) for frame in talk(engine, 2.4)]
    assert session.position > engine.context_frames
    codes = np.stack([result.codes for result in results], axis=1)
    assert codes.shape == (4, 60) and 128 < codes.max() < 256
    assert all(result.audio.shape == (640,) for result in results)
    pauses = {result.token: result.silent for result in results if result.silent}
    assert pauses == {token: name for token, name in ((7, "PAD"), (9, "EPAD")) if token in pauses}
    # With a longest delay of 2, the first two frames are the last two of the prompt.
    np.testing.assert_array_equal(codes[:, 0], OTHER_LM.silence_codes)
    assert results[0].token == 7
    theirs = moshi_mimi(engine.codec, OTHER_CODEC.context - 1)
    with torch.inference_mode(), theirs.streaming(1):
        columns = torch.from_numpy(codes)[None].split(1, dim=-1)
        expected = np.concatenate([theirs.decode(column)[0, 0].numpy() for column in columns])
    spoken = np.concatenate([result.audio for result in results])
    np.testing.assert_allclose(spoken, expected, rtol=0, atol=1e-4)


def test_the_user_is_heard_by_the_codec_of_the_checkpoint(folder: Path) -> None:
    engine = Engine.load(folder, device="cpu")
    theirs = moshi_mimi(engine.codec, OTHER_CODEC.context - 1)
    session = engine.open(Persona("x"), GREEDY)
    frames = frames_of(speech_like(1.6, rate=16000), 640)
    with torch.inference_mode(), theirs.streaming(1):
        for frame in frames:
            expected = theirs.encode(torch.from_numpy(frame)[None, None])
            session.push(frame)
            state = engine.states.lm
            grid = get_frame(state.grid, engine.lm.grid_shape(), 9, state.position)
            assert torch.equal(grid[:, 5:], expected[..., 0])


def test_a_frame_of_the_published_size_is_refused(folder: Path) -> None:
    session = Engine.load(folder, device="cpu").open(Persona("x"))
    with pytest.raises(ValueError, match=r"float32 \[640\] \(16000 Hz\)"):
        session.push(np.zeros(1920, np.float32))


@pytest.mark.parametrize("key", ["silence_codes", "sine_codes"])
def test_a_codec_of_its_own_must_state_its_codes(folder: Path, tmp_path: Path, key: str) -> None:
    config = json.loads((folder / "config.json").read_text())
    del config[key]
    for name in ("model.safetensors", "mimi.safetensors", "mimi_config.json", "tokenizer.model"):
        (tmp_path / name).symlink_to(folder / name)
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=rf"config.json must give `{key}`: 4 ids below 256"):
        Engine.load(tmp_path, device="cpu")


@pytest.mark.parametrize("stride", [1, 3])
def test_codecs_with_another_latent_rate_are_streams_too(stride: int) -> None:
    from reference import random_codec

    codec = random_codec(
        MimiConfig(
            sample_rate=8000, frame_rate=8000 / (80 * stride), filters=4, dimension=32,
            ratios=(5, 4, 4), heads=4, layers=2, hidden=64, context=13, code_dimension=16,
            cardinality=128, codebooks=4,
        )
    )  # fmt: skip
    size = codec.config.frame_size
    assert (codec.config.latent_stride, size) == (stride, 80 * stride)
    wave = torch.from_numpy(speech_like(size * 30 / 8000, rate=8000))[None, None]
    state, whole_state = codec.encoder_state(1), codec.encoder_state(1)
    codes = torch.cat([codec.encode(part, state, 4) for part in wave.split(size, -1)], -1)
    assert torch.equal(codes, codec.encode(wave, whole_state, 4))
    assert codec.decode(codes, codec.decoder_state(1)).shape == wave.shape
