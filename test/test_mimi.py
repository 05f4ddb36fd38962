"""The codec computes what transformers' and moshi's do, as a stream, for each row on its own."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from oracles import moshi_mimi, transformers_mimi
from reference import CODEC, random_codec, speech_like
from torch import Tensor

from personaplex_ros.mimi import Mimi, MimiConfig
from personaplex_ros.nn.state import leaves

FRAMES = 40  # 80 transformer steps: four times past the context of 20


def waves(*seeds: int, frames: int = FRAMES, size: int = 1920) -> Tensor:
    """Return speech-like sound, float32 [B, 1, frames * size]."""
    made = [speech_like(frames * size / 24000, seed)[: frames * size] for seed in seeds]
    return torch.from_numpy(np.stack(made))[:, None]


def codes_like(batch: int, config: MimiConfig = CODEC, frames: int = FRAMES) -> Tensor:
    generator = torch.Generator().manual_seed(11)
    return torch.randint(config.cardinality, (batch, config.codebooks, frames), generator=generator)


def stream_in(codec: Mimi, wave: Tensor, codebooks: int, frames: int = 1) -> Tensor:
    """Encode ``frames`` frames at a time."""
    state = codec.encoder_state(wave.shape[0])
    chunks = wave.split(frames * codec.config.frame_size, dim=-1)
    return torch.cat([codec.encode(chunk, state, codebooks) for chunk in chunks], -1)


def stream_out(codec: Mimi, codes: Tensor, frames: int = 1) -> Tensor:
    """Decode ``frames`` frames at a time."""
    state = codec.decoder_state(codes.shape[0])
    return torch.cat([codec.decode(chunk, state) for chunk in codes.split(frames, -1)], -1)


@pytest.mark.parametrize("seed", [1, 2])
def test_codes_equal_transformers_within_the_context(seed: int) -> None:
    codec = random_codec(dataclasses.replace(CODEC, context=250), seed)
    theirs = transformers_mimi(codec)
    wave = waves(3, 4)
    with torch.inference_mode():
        expected = theirs.encode(wave).audio_codes
    assert expected.unique().numel() > CODEC.cardinality / 2
    torch.testing.assert_close(stream_in(codec, wave, 8), expected, rtol=0, atol=0)


@pytest.mark.parametrize("seed", [1, 2])
def test_waveform_equals_transformers_within_the_context(seed: int) -> None:
    codec = random_codec(dataclasses.replace(CODEC, context=250), seed)
    theirs, codes = transformers_mimi(codec), codes_like(2)
    with torch.inference_mode():
        expected = theirs.decode(codes).audio_values
    assert expected.std() > 0.01
    torch.testing.assert_close(stream_out(codec, codes), expected, rtol=0, atol=1e-4)


def test_codes_and_waveform_equal_moshi_past_the_context() -> None:
    # Our window is one position shorter than the stated context, as the published models run;
    # moshi 0.2.13 attends to all of it, so it is given a context that is one less.
    codec = random_codec()
    theirs = moshi_mimi(codec, CODEC.context - 1)
    wave, codes = waves(5, 6), codes_like(2)
    with torch.inference_mode(), theirs.streaming(2):
        heard = torch.cat([theirs.encode(chunk) for chunk in wave.split(1920, dim=-1)], -1)
        spoken = torch.cat([theirs.decode(codes[..., f : f + 1]) for f in range(FRAMES)], -1)
    torch.testing.assert_close(stream_in(codec, wave, 8), heard, rtol=0, atol=0)
    torch.testing.assert_close(stream_out(codec, codes), spoken, rtol=0, atol=1e-4)


def test_the_context_ends_where_it_should() -> None:
    codec, codes = random_codec(), codes_like(1)
    theirs = moshi_mimi(codec, CODEC.context)
    with torch.inference_mode(), theirs.streaming(1):
        spoken = torch.cat([theirs.decode(codes[..., f : f + 1]) for f in range(FRAMES)], -1)
    difference = (stream_out(codec, codes) - spoken).abs()[0, 0].unflatten(0, (FRAMES, -1))
    assert difference[: CODEC.context // 2 - 1].max() < 1e-4
    assert difference[CODEC.context // 2 :].max() > 1e-3


@pytest.mark.parametrize("frames", [2, 7, FRAMES])
def test_many_frames_at_once_give_what_single_frames_give(frames: int) -> None:
    codec, wave, codes = random_codec(), waves(7, 8), codes_like(2)
    torch.testing.assert_close(stream_in(codec, wave, 8, frames), stream_in(codec, wave, 8))
    torch.testing.assert_close(
        stream_out(codec, codes, frames), stream_out(codec, codes), rtol=0, atol=1e-4
    )


def test_fewer_codebooks_are_the_first_ones() -> None:
    codec, wave = random_codec(), waves(9)
    torch.testing.assert_close(stream_in(codec, wave, 3), stream_in(codec, wave, 8)[:, :3])


def test_rows_that_start_pause_and_restart_do_not_change_each_other() -> None:
    codec, wave, codes = random_codec(), waves(1, 2, 3), codes_like(3)
    heard_alone, said_alone = stream_in(codec, wave, 8), stream_out(codec, codes)
    hearing, speaking = codec.encoder_state(3), codec.decoder_state(3)
    passed = [0, 0, 0]  # frames of each row
    rng = np.random.default_rng(0)
    for _ in range(30):
        active = torch.from_numpy(rng.random(3) < 0.6)
        if rng.random() < 0.15:
            row = int(rng.integers(3))
            hearing.restart(row)
            speaking.restart(row)
            passed[row] = 0
        chunk = [wave[row, :, frame * 1920 :][:, :1920] for row, frame in enumerate(passed)]
        column = [codes[row, :, frame : frame + 1] for row, frame in enumerate(passed)]
        heard = codec.encode(torch.stack(chunk), hearing, 8, active)
        said = codec.decode(torch.stack(column), speaking, active)
        for row in active.nonzero().flatten().tolist():
            frame = passed[row]
            torch.testing.assert_close(heard[row, :, 0], heard_alone[row, :, frame])
            expected = said_alone[row, 0, frame * 1920 :][:1920]
            torch.testing.assert_close(said[row, 0], expected, rtol=0, atol=1e-4)
            passed[row] += 1
    assert max(passed) > CODEC.context // 2


def test_paused_rows_keep_their_state() -> None:
    codec, wave = random_codec(), waves(1, 2, frames=3)
    state = codec.encoder_state(2)
    codec.encode(wave, state, 8)
    before = [leaf[1].clone() for leaf in leaves((state.seanet, state.downsample))]
    position = state.transformer.position.clone()
    codec.encode(wave, state, 8, torch.tensor([True, False]))
    after = [leaf[1] for leaf in leaves((state.seanet, state.downsample))]
    assert all(torch.equal(old, new) for old, new in zip(before, after, strict=True))
    assert state.transformer.position.tolist() == [position[0] + 6, position[1]]
