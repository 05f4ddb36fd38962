"""What the engine's tests share: golden files, random models and checkpoints, sound."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sentencepiece
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from personaplex_ros.engine import Engine, Sampling, Session, StepResult
from personaplex_ros.lm import LanguageModel, LMConfig
from personaplex_ros.mimi import Mimi, MimiConfig

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = Path(os.environ.get("PERSONAPLEX_REFERENCE", ROOT.parent / "shared" / "reference"))
needs_reference = pytest.mark.skipif(
    not (REFERENCE / "make_checkpoint.py").is_file(),
    reason=f"no reference files in {REFERENCE}; set PERSONAPLEX_REFERENCE to their folder",
)

PIECES = 120
GREEDY = Sampling(greedy=True)
LM = LMConfig(
    dim=64, heads=4, layers=2, hidden=176, context=64, text_cardinality=PIECES, cardinality=128,
    depth_steps=16, depth_dim=32, depth_heads=2, depth_layers=2, depth_hidden=88,
    silence_codes=(9, 24, 117, 54, 17, 103, 97, 20), sine_codes=(43, 126, 38, 16, 109, 14, 56, 47),
)  # fmt: skip
CODEC = MimiConfig(
    filters=4, dimension=32, heads=4, layers=2, hidden=64, context=20, code_dimension=16,
    cardinality=128, codebooks=8,
)  # fmt: skip
CORPUS = """
<system> You enjoy having a good conversation. <system> You work for a hotel by the lake and your
name is Ann. Information: breakfast is from seven to ten, the quiet rooms look onto the garden and
a taxi to the station takes five minutes. Good evening, what can I do for you? Just a moment
please, I am looking. Yes, there is one left with a view. Would you like to keep it?
"""


def golden(voice: str) -> dict[str, np.ndarray]:
    """Return what the reference produced with a ``wav`` or a ``pt`` voice."""
    with np.load(REFERENCE / f"golden_seed7_{voice}_voice.npz") as arrays:
        return dict(arrays)


def speech_like(seconds: float, seed: int = 0, rate: int = 24000) -> np.ndarray:
    """Return noise that comes and goes as syllables do: float32 [seconds * rate] in [-1, 1]."""
    rng = np.random.default_rng(seed)
    count = round(seconds * rate)
    coloured = np.convolve(rng.standard_normal(count + 31), np.hanning(32), "valid")
    syllables = np.clip(np.sin(2 * np.pi * 3.1 * np.arange(count) / rate + seed), 0, 1)
    return (0.7 * coloured / np.abs(coloured).max() * syllables).astype(np.float32)


def frames_of(samples: np.ndarray, size: int) -> list[np.ndarray]:
    """Cut samples into whole frames."""
    return list(samples[: len(samples) // size * size].reshape(-1, size))


def fill(module: nn.Module, seed: int) -> None:
    """Give every stored tensor random values that keep signals at their level."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in sorted(module.state_dict().items()):
        noise = torch.randn(tensor.shape, generator=generator)
        if name.endswith("_initialized"):
            noise.fill_(1)
        elif name.endswith("cluster_usage"):
            noise = 0.5 + noise.abs()
        elif name.endswith("alpha") or re.search(r"norm\d?\.weight$", name):
            noise = 1 + 0.1 * noise
        elif "layer_scale" in name:
            noise = 0.3 + 0.05 * noise
        elif name.endswith("bias"):
            noise *= 0.05
        elif "emb" in name and not name.endswith("embedding_sum"):
            noise *= 0.6
        elif not name.endswith("embedding_sum"):
            # The heads of the depth transformer read sums of many layers, with no norm.
            gain = 0.4 if name.startswith("linears.") else 1.4
            noise *= gain / tensor[0].numel() ** 0.5
        tensor.copy_(noise)


def random_codec(config: MimiConfig = CODEC, seed: int = 0) -> Mimi:
    """Return a codec with random weights."""
    codec = Mimi(config)
    codec.eval().requires_grad_(False)
    fill(codec, seed)
    codec.quantizer.derive()
    return codec


def random_lm(config: LMConfig = LM, seed: int = 0) -> LanguageModel:
    """Return a language model with random float32 weights."""
    model = LanguageModel(config, dtype=torch.float32)
    model.eval().requires_grad_(False)
    fill(model, seed)
    return model


def random_frames(config: LMConfig, count: int, seed: int = 0) -> Tensor:
    """Return random whole streams of all rows, int64 [rows, count]."""
    generator = torch.Generator().manual_seed(seed)
    frames = torch.randint(config.cardinality, (config.rows, count), generator=generator)
    frames[0] = torch.randint(config.text_cardinality, (count,), generator=generator)
    return frames


def tokenizer_bytes(pieces: int = PIECES) -> bytes:
    """Train a small SentencePiece model with the published special ids."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS.strip().splitlines()), model_writer=model, vocab_size=pieces,
        model_type="bpe", unk_id=0, bos_id=1, eos_id=2, pad_id=3, minloglevel=2,
    )  # fmt: skip
    return model.getvalue()


def config_json(lm: LMConfig) -> dict[str, Any]:
    """Describe a language model in the keys of a public ``config.json``."""
    return {
        "dim": lm.dim, "text_card": lm.text_cardinality, "n_q": lm.audio_rows,
        "dep_q": lm.depth_steps, "card": lm.cardinality, "num_heads": lm.heads,
        "num_layers": lm.layers, "context": lm.context, "max_period": lm.max_period,
        "depformer_dim": lm.depth_dim, "depformer_num_heads": lm.depth_heads,
        "depformer_num_layers": lm.depth_layers, "delays": list(lm.delays),
        "silence_codes": list(lm.silence_codes), "sine_codes": list(lm.sine_codes),
        "model_type": "personaplex" if lm.takes_persona else "moshi",
        "moshi_name": "model.safetensors", "mimi_name": "mimi.safetensors",
        "mimi_config_name": "mimi_config.json", "tokenizer_name": "tokenizer.model",
    }  # fmt: skip


def codec_json(codec: MimiConfig) -> dict[str, Any]:
    """Describe a codec in the keys of a public ``mimi_config.json``."""
    return {
        "sample_rate": codec.sample_rate, "frame_rate": codec.frame_rate, "channels": 1,
        "seanet": {
            "dimension": codec.dimension, "n_filters": codec.filters, "ratios": list(codec.ratios),
        },
        "quantizer": {
            "dimension": codec.code_dimension, "n_q": codec.codebooks, "bins": codec.cardinality,
        },
        "transformer": {
            "num_heads": codec.heads, "num_layers": codec.layers, "context": codec.context,
            "dim_feedforward": codec.hidden,
        },
    }  # fmt: skip


def write_checkpoint(
    folder: Path, lm: LMConfig = LM, codec: MimiConfig = CODEC, seed: int = 0
) -> Path:
    """Write a random checkpoint in the public file layout and return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(random_lm(lm, seed).state_dict(), folder / "model.safetensors")
    save_file(random_codec(codec, seed).state_dict(), folder / "mimi.safetensors")
    (folder / "config.json").write_text(json.dumps(config_json(lm)))
    (folder / "mimi_config.json").write_text(json.dumps(codec_json(codec)))
    (folder / "tokenizer.model").write_bytes(tokenizer_bytes())
    return folder


def moshi_config(lm: LMConfig = LM) -> LMConfig:
    """Return the same sizes as a Moshi model: 8 depth steps and no persona."""
    return dataclasses.replace(lm, depth_steps=8, takes_persona=False)


def ids(result: StepResult) -> tuple[int, ...]:
    """Return the text id and codes of a step."""
    return (result.token, *result.codes.tolist())


def converse(session: Session, frames: list[np.ndarray]) -> list[tuple[int, ...]]:
    """Push all frames and return the ids of every step."""
    return [ids(session.push(frame)) for frame in frames]


def talk(engine: Engine, seconds: float, seed: int = 0) -> list[np.ndarray]:
    """Return frames of a speech-like user for an engine."""
    return frames_of(speech_like(seconds, seed, engine.sample_rate), engine.frame_size)
