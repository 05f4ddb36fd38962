"""The GPU's kernels compute what the plain modules do, and compile for the GPUs they are for.

There need not be a GPU: Triton's interpreter runs them on the CPU, and its compiler makes code for
a GPU that is not there. The interpreter has no bfloat16, so float16 stands for it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from reference import LM, random_lm
from torch import Tensor
from torch.nn import functional as F

from personaplex_ros.conversing import Sampling
from personaplex_ros.engine.packing import scale
from personaplex_ros.kernels.attention import ring_attention, step_attention
from personaplex_ros.kernels.linear import Gather, linear
from personaplex_ros.kernels.sampling import choose
from personaplex_ros.lm import LanguageModel, Sampler
from personaplex_ros.lm.depth import StepAttention
from personaplex_ros.lm.grid import UNSET
from personaplex_ros.lm.sampling import Draw
from personaplex_ros.lm.sampling import choose as plain_choose
from personaplex_ros.nn.attention import RingAttention, RingSpec, RingView, held_back, rotation
from personaplex_ros.nn.gating import GatedFeedForward
from personaplex_ros.nn.norm import RMSNorm

SMALLER = replace(
    LM, cardinality=16, layers=1, depth_layers=1, silence_codes=(1,) * 8, sine_codes=(2,) * 8
)


def noise(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


@pytest.mark.parametrize("rows", [1, 3, 70])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_a_gated_layer_is_that_of_the_module(rows: int, dtype: torch.dtype) -> None:
    norm, gating = RMSNorm(40), GatedFeedForward(40, 72, dtype=dtype)
    with torch.no_grad():
        norm.alpha.copy_(noise(1, 1, 40).abs())
        gating.linear_in.weight.copy_(noise(144, 40, seed=1) / 6)
        x, plus = noise(rows, 40, seed=2, dtype=dtype), noise(rows, 40, seed=3, dtype=dtype)
        expected = plus + gating(norm(x))
        y = linear(x, gating.linear_in.weight, alpha=norm.alpha.view(-1), eps=norm.eps, gated=True)
        result = linear(y, gating.linear_out.weight, plus=plus)
    atol = 2e-6 if dtype == torch.float32 else 4e-3
    torch.testing.assert_close(result, expected, rtol=0, atol=atol)


@pytest.mark.parametrize("rows", [1, 5])
@pytest.mark.parametrize("kind", [torch.int8, torch.float8_e4m3fn])
def test_weights_of_8_bits_are_read_as_they_are(rows: int, kind: torch.dtype) -> None:
    x, factor = noise(rows, 96), noise(50, seed=1).abs()
    values = (30 * noise(50, 96, seed=2)).to(kind)
    table, ids = noise(4, 50, seed=3), torch.tensor([2, -1, 0, 3, -1])[:rows]
    expected = F.linear(x.double(), values.double() * factor[:, None]).float()
    expected += torch.where(ids[:, None] >= 0, table[ids.clamp(min=0)], 0)
    plus = Gather(table, ids)
    result = linear(x, values, factor, plus=plus)
    torch.testing.assert_close(result, expected, rtol=1e-5, atol=1e-3)


def test_weights_that_do_not_lie_in_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="weight must be contiguous"):
        linear(noise(2, 8), noise(8, 8).t())


@pytest.mark.parametrize(
    ("context", "block"), [pytest.param(140, 1, marks=pytest.mark.long), (20, 2)]
)
def test_attention_goes_round_the_ring_as_the_module_does(context: int, block: int) -> None:
    spec, heads, batch = RingSpec(context, 12, 10000.0, block), 2, 2
    attention = RingAttention(heads, spec)
    dim = heads * spec.head_dim
    with torch.inference_mode():
        attention.in_proj_weight.copy_(noise(3 * dim, dim) / 5)
        attention.out_proj.weight.copy_(torch.eye(dim))
        plain, ours = attention.initial_cache(batch), attention.initial_cache(batch)
        position = torch.tensor([0, 6])
        for step in range(context // block + 4):
            x = noise(batch, block, dim, seed=step)
            view = RingView.at(position, block, spec, context, even=False)
            expected = attention(x, plain, view)
            if context < 100 or step < 2 or step > context - 4 or 126 <= step <= 128:
                qkv = F.linear(x, attention.in_proj_weight)
                result = ring_attention(qkv, ours.keys, ours.values, view.turn, position, block)
                torch.testing.assert_close(result, expected, rtol=0, atol=1e-5)
                torch.testing.assert_close(ours.keys, plain.keys, rtol=0, atol=1e-6)
            else:  # the interpreter is slow
                ours.keys.copy_(plain.keys)
                ours.values.copy_(plain.values)
            position += block


def test_attention_sees_what_is_pinned_as_the_module_does() -> None:
    spec, heads, batch = RingSpec(40, 12, 10000.0), 2, 3
    attention = RingAttention(heads, spec)
    dim = heads * spec.head_dim
    pinned, position = torch.tensor([7, 0, 29]), torch.tensor([7, 0, 30])
    with torch.inference_mode():
        attention.in_proj_weight.copy_(noise(3 * dim, dim) / 5)
        attention.out_proj.weight.copy_(torch.eye(dim))
        plain, ours = attention.initial_cache(batch), attention.initial_cache(batch)
        for number, side in enumerate((plain.keys, plain.values)):
            side.copy_(noise(*side.shape, seed=100 + number))  # what a prompt left, and others
            (ours.keys, ours.values)[number].copy_(side)
        for step in range(100):
            x = noise(batch, 1, dim, seed=step)
            view = RingView.behind(pinned, position, spec, spec.window, even=False)
            expected = attention(x, plain, view)
            if step < 3 or 30 < step < 44 or step > 96:  # the interpreter is slow
                qkv = F.linear(x, attention.in_proj_weight)
                places = torch.cat([position, held_back(position, spec)])[:, None]
                turn = rotation(places, spec)
                result = ring_attention(
                    qkv, ours.keys, ours.values, turn, position, 1, pinned=pinned
                )
                torch.testing.assert_close(result, expected, rtol=0, atol=1e-5)
            else:
                ours.keys.copy_(plain.keys)
                ours.values.copy_(plain.values)
            torch.testing.assert_close(ours.keys, plain.keys, rtol=0, atol=1e-6)
            position += 1


def test_attention_over_the_steps_of_a_frame_is_that_of_the_module() -> None:
    module = StepAttention(LM, None, torch.float32)
    dim, head_dim = module.dim, module.dim // module.heads
    with torch.inference_mode():
        module.in_proj_weight.copy_(noise(*module.in_proj_weight.shape) / 5)
        module.out_proj.weight.copy_(torch.eye(dim).repeat(module.steps, 1))
        plain = torch.zeros(2, 3, module.heads, module.steps, head_dim)
        ours = plain.clone()
        for step in range(module.steps):
            x = noise(3, dim, seed=step)
            qkv = F.linear(x, module.in_proj_weight[step * 3 * dim : (step + 1) * 3 * dim])
            result = step_attention(qkv, ours, step)
            torch.testing.assert_close(result, module(x, step, plain), rtol=0, atol=1e-5)
            assert torch.equal(ours, plain)


def test_codes_are_chosen_as_on_the_cpu() -> None:
    sampler = Sampler(4, 2, (100, 100), "cpu")
    for row, top_k in enumerate((1, 7, 50, 100)):
        settings = Sampling(audio_top_k=top_k, audio_temperature=0.5 + row)
        sampler.start(row, settings, seed=row)
    forced = torch.tensor([UNSET, UNSET, UNSET, UNSET])
    for number in range(2):
        sampler.refill([0, 1, 2, 3])
        logits, draw = 3 * noise(4, 100, seed=number), sampler.audio
        drawn = (draw.temperature, draw.top_k, draw.noise)
        peak = torch.zeros(4, 2)
        result = choose(logits, *drawn, peak, number, forced)
        assert torch.equal(result, plain_choose(logits, draw, number))
        assert torch.equal(peak[:, number], draw.peak[:, number])


@pytest.mark.parametrize("wrong", [float("nan"), -float("nan"), float("inf")])
def test_the_largest_logit_tells_of_one_that_is_not_finite(wrong: float) -> None:
    logits = noise(2, 20)
    logits[1, 7] = wrong
    one, ours = torch.ones(2, 1), torch.zeros(2, 1)
    draw = Draw(one, one.long(), torch.zeros(2, 1, 1), torch.zeros(2, 1))
    choose(logits, one, one.long(), torch.zeros(2, 1, 1), ours, 0, torch.full((2,), UNSET))
    plain_choose(logits, draw, 0)
    for peak in (ours, draw.peak):
        assert peak.isfinite().tolist() == [[True], [False]]


def test_what_is_forced_is_not_chosen() -> None:
    one, forced = torch.ones(3, 1), torch.tensor([7, UNSET, -1])
    logits = noise(3, 20)
    result = choose(logits, one, one.long(), torch.zeros(3, 1, 1), one.clone(), 0, forced)
    assert result.tolist() == [7, int(logits[1].argmax()), -1]


def said(lm: LanguageModel, frames: Tensor) -> Tensor:
    """Return what a model says, greedily, to frames of codes [T, B, codebooks]: int64 [T, B, 9]."""
    batch = frames.shape[1]
    state, shape = lm.initial_state(batch), lm.grid_shape()
    sampler = Sampler(batch, lm.config.codebooks, (1, 1), "cpu")
    said = []
    with torch.inference_mode():
        for user in frames:
            hidden = lm.temporal_step(state, user, shape, even=False)
            said.append(lm.depth_step(state, hidden, shape, sampler.text, sampler.audio, None))
            state.columns[:] = [column + 1 for column in state.columns]
    return torch.stack(said)


@pytest.mark.parametrize("weights", [None, pytest.param("int8", marks=pytest.mark.long)])
def test_a_conversation_in_kernels_is_that_of_the_modules(weights: str | None) -> None:
    lm = random_lm(SMALLER)
    if weights:
        scale(lm, weights, torch.device("cpu"))
    frames = torch.randint(0, 16, (4, 2, 8), generator=torch.Generator().manual_seed(0))
    expected = said(lm, frames)
    lm.fused = True
    assert torch.equal(said(lm, frames), expected)


@pytest.mark.parametrize("capability", [pytest.param(80, marks=pytest.mark.long), 90])
def test_kernels_compile_for_gpus(capability: int) -> None:
    script = Path(__file__).parent / "compile_kernels.py"
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    done = subprocess.run(
        [sys.executable, str(script), str(capability)],
        env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert "spilled" not in done.stdout
