"""Sections of the GPU's benchmark that tell how well: agreement with a CPU, and 8-bit weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from gpu_setup import Row, Setup, sound
from random_models import Words, random_engine
from teacher_forcing import teacher_forced

from personaplex_ros.engine import Engine, Persona, Sampling
from personaplex_ros.engine.packing import scale
from personaplex_ros.lm import LMConfig
from personaplex_ros.mimi import MimiConfig

SMALL_LM = LMConfig(
    dim=256, heads=4, layers=3, hidden=512, context=320, text_cardinality=500, cardinality=64,
    depth_steps=8, depth_dim=128, depth_heads=4, depth_layers=2, depth_hidden=256,
    silence_codes=(1,) * 8, sine_codes=(2,) * 8,
)  # fmt: skip
SMALL_CODEC = MimiConfig(filters=8, dimension=64, heads=4, layers=2, hidden=128, cardinality=64,
                         code_dimension=32, codebooks=8)  # fmt: skip


def measure_parity(setup: Setup) -> Iterator[Row]:
    """Yield how far a small model's conversation on the GPU agrees with that on a CPU."""
    small = replace(setup, device=torch.device("cpu"), lm=SMALL_LM, codec=SMALL_CODEC,
                    dtype=torch.float32)  # fmt: skip
    for weights in (None, "int8"):
        expected = conversation(random_engine(*small.model, weights))
        yield parity_row(f"CPU again, {weights or 'float32'}", expected,
                         conversation(random_engine(*small.model, weights)))  # fmt: skip
        for kind, plain in (("operation by operation", True), ("graphs", False)):
            if weights and plain:
                continue  # 8 bits are for the kernels
            cpu = random_engine(*small.model)
            lm, codec = cpu.lm.to(setup.device), cpu.codec.to(setup.device)
            lm.fused = setup.device.type == "cuda"
            if weights:
                scale(lm, weights, setup.device)
            engine = Engine(lm, codec, Words(), [], plain=plain)  # type: ignore[arg-type]
            yield parity_row(f"{kind}, {weights or 'float32'}", expected, conversation(engine))


def parity_row(what: str, expected: Any, given: Any) -> Row:
    """Tell how many frames have the same tokens, and the largest error of those frames' speech."""
    same = (expected[0] == given[0]).all(1)
    error = np.abs(expected[1] - given[1])[same].max(initial=0.0)
    return {"what": what, "same_tokens": float(same.mean()),
            "largest_error": float(error / np.abs(expected[1]).max())}  # fmt: skip


def conversation(engine: Engine) -> tuple[np.ndarray, np.ndarray]:
    """Return tokens [T, 9] and speech [T, frame_size] of a greedy conversation round the ring."""
    session = engine.open(Persona("x", "some words"), Sampling(greedy=True))
    results = [session.push(sound(engine, number)) for number in range(SMALL_LM.context + 30)]
    session.close()
    tokens = np.array([[result.token, *result.codes] for result in results])
    return tokens, np.array([result.audio for result in results])


def measure_drift(setup: Setup) -> Iterator[Row]:
    """Yield how far predictions move with 8-bit weights, the same tokens forced upon both models.

    The weights are random: trained ones may do better or worse. Products unpack the weights, so
    this says nothing of time, and nothing but the weights differs.
    """
    for weights in setup.weights[1:]:
        sure, light = (random_engine(*setup.model, kind).lm for kind in (None, weights))
        for seed in range(3):
            text, audio, same = np.mean(list(teacher_forced(sure, light, seed, setup.forced)), 0)
            yield {"weights": weights, "seed": seed, "frames": setup.forced, "text_kl": text,
                   "audio_kl": audio, "same_text": same}  # fmt: skip
        del sure, light
