"""A codec of the published size computes what rustymimi does from the same file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from reference import frames_of, random_codec, speech_like
from safetensors.torch import save_file

from personaplex_ros.checkpoint import load_codec
from personaplex_ros.mimi import Mimi, MimiConfig

FRAMES = 16
rustymimi = pytest.importorskip("rustymimi", reason="rustymimi is not installed")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write 79 M random parameters in the public layout."""
    path = tmp_path_factory.mktemp("full") / "codec.safetensors"
    save_file(random_codec(MimiConfig(), seed=3).state_dict(), path)
    return path


@pytest.fixture(scope="module")
def codec(file: Path) -> Mimi:
    return load_codec(file, MimiConfig(), "cpu")


def test_codes_equal_rustymimi(file: Path, codec: Mimi) -> None:
    theirs = rustymimi.Tokenizer(str(file), num_codebooks=8)
    frames = frames_of(speech_like(FRAMES * 0.08), 1920)
    expected = np.concatenate([theirs.encode_step(frame[None, None]) for frame in frames], -1)
    state = codec.encoder_state(1)
    waves = [torch.from_numpy(frame)[None, None] for frame in frames]
    codes = torch.cat([codec.encode(wave, state, 8) for wave in waves], -1)
    assert len(np.unique(expected)) > FRAMES
    np.testing.assert_array_equal(codes.numpy(), expected)


def test_waveform_equals_rustymimi(file: Path, codec: Mimi) -> None:
    theirs = rustymimi.Tokenizer(str(file), num_codebooks=8)
    columns = np.random.default_rng(0).integers(0, 2048, (FRAMES, 1, 8, 1))
    expected = [theirs.decode_step(column.astype(np.uint32)) for column in columns]
    state = codec.decoder_state(1)
    waves = [codec.decode(torch.from_numpy(column), state) for column in columns]
    wave = torch.cat(waves, -1).numpy()
    assert wave.std() > 0.01
    np.testing.assert_allclose(wave, np.concatenate(expected, -1), rtol=0, atol=1e-4)
