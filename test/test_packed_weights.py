"""Weights in fewer bytes: what their products are, and that conversations run on them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from reference import GREEDY, converse, talk
from torch import Tensor, nn
from torch.nn import functional as F

from personaplex_ros.checkpoint import load_codec
from personaplex_ros.checkpoint.files import CheckpointFiles
from personaplex_ros.engine import Engine, Persona
from personaplex_ros.engine.packing import pack
from personaplex_ros.nn import packed
from personaplex_ros.nn.packed import ByteWeight, FloatWeight, HalfWeight, PackedBlocks

needs_fbgemm = pytest.mark.skipif(not packed.available(), reason="torch has no FBGEMM here")
SIZES = [(96, 40), (1200, 1000)]  # the second is shared between threads


def operands(size: tuple[int, int], rows: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return x [1, rows, K], weight [N, K] and bias [N]."""
    generator = torch.Generator().manual_seed(rows)
    weight = torch.randn(size, generator=generator) / size[1] ** 0.5
    x = torch.randn(1, rows, size[1], generator=generator)
    return x, weight, torch.randn(size[0], generator=generator)


def float64(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return F.linear(x.double(), weight.double(), bias.double()).float()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("rows", [1, 2, 5, 40])
def test_float_weights_are_the_same_product(size: tuple[int, int], rows: int) -> None:
    x, weight, bias = operands(size, rows)
    # Processors add in different orders: sums of 1000 products differ by some units of 2^-22.
    torch.testing.assert_close(
        F.linear(x, FloatWeight(weight), bias), float64(x, weight, bias), rtol=0, atol=5e-6
    )


@needs_fbgemm
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("rows", [1, 2, 40])
def test_half_weights_lose_nothing_that_float16_holds(size: tuple[int, int], rows: int) -> None:
    x, weight, bias = operands(size, rows)
    weight = weight.half().float()
    torch.testing.assert_close(
        F.linear(x, HalfWeight(weight), bias), float64(x, weight, bias), rtol=0, atol=1e-5
    )


@needs_fbgemm
@pytest.mark.parametrize("size", SIZES)
def test_byte_weights_are_the_product_of_the_rounded_operands(size: tuple[int, int]) -> None:
    x, weight, bias = operands(size, 1)
    scale = weight.abs().amax(1, keepdim=True) / 127
    rounded = (weight / scale).round() * scale
    # x in 7 bits, so that FBGEMM's 16-bit sums cannot saturate on CPUs without VNNI.
    low, high = x.min().clamp(max=0), x.max().clamp(min=0)
    step = (high - low) / 127
    zero = (-low / step).round()
    x_rounded = ((x / step).round() + zero).clamp(0, 127).sub(zero) * step
    torch.testing.assert_close(
        F.linear(x, ByteWeight(weight), bias),
        float64(x_rounded, rounded, bias),
        rtol=0,
        atol=3e-3,  # a value halfway between two may be rounded to the other one
    )


def test_a_weight_beyond_float16_is_refused() -> None:
    with pytest.raises(ValueError, match=r"7e\+04 is beyond float16"):
        HalfWeight(torch.full((4, 4), 7e4))


def test_a_block_of_stacked_weights_is_found_by_its_rows() -> None:
    blocks = [FloatWeight(torch.full((3, 2), float(k))) for k in range(4)]
    stacked = PackedBlocks(blocks)
    assert all(stacked[3 * k : 3 * k + 3] is block for k, block in enumerate(blocks))


def test_only_linear_takes_a_packed_weight() -> None:
    with pytest.raises(TypeError):
        torch.add(torch.zeros(2, 2), FloatWeight(torch.zeros(2, 2)))  # type: ignore[call-overload]


def test_a_packed_codec_computes_the_same(small_checkpoint: Path) -> None:
    files = CheckpointFiles.find(small_checkpoint)
    plain, light = (load_codec(files.mimi, files.mimi_config, "cpu") for _ in range(2))
    pack(light, "float32")
    linear = [module for module in light.modules() if isinstance(module, nn.Linear)]
    assert linear and not any(isinstance(module.weight, Tensor) for module in linear)
    wave = torch.randn(1, 1, 6 * 1920, generator=torch.Generator().manual_seed(0)) * 0.1
    states = [(codec.encoder_state(1), codec.decoder_state(1)) for codec in (plain, light)]
    for frame in wave.split(1920, dim=-1):
        codes, again = (
            codec.encode(frame, hearing, 8)
            for codec, (hearing, _) in zip((plain, light), states, strict=True)
        )
        assert torch.equal(codes, again)
        sound, again = (
            codec.decode(codes, speaking)
            for codec, (_, speaking) in zip((plain, light), states, strict=True)
        )
        torch.testing.assert_close(again, sound, rtol=0, atol=1e-4)


@needs_fbgemm
@pytest.mark.parametrize("weights", ["float16", "int8"])
def test_an_engine_talks_with_packed_weights(small_checkpoint: Path, weights: str) -> None:
    engine = Engine.load(small_checkpoint, device="cpu", weights=weights)
    tokens = converse(engine.open(Persona("x", "Be kind.")), talk(engine, 0.8))
    assert len(set(tokens)) > 1


@needs_fbgemm
def test_nano_says_the_same_with_weights_packed_as_they_are_stored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = Engine.load("nano", device="cpu")
    assert not isinstance(engine.lm.text_linear.weight, Tensor)
    said = converse(engine.open(Persona("x", "Be kind."), GREEDY), talk(engine, 2.0))
    monkeypatch.setattr("personaplex_ros.engine.loading.available", lambda: False)
    plain = Engine.load("nano", device="cpu")
    assert isinstance(plain.lm.text_linear.weight, Tensor)
    assert said == converse(plain.open(Persona("x", "Be kind."), GREEDY), talk(plain, 2.0))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": "int4"}, "weights is 'int4'; on a CPU it must be one of float16, int8"),
        ({"weights": "int8", "dtype": "bfloat16"}, "int8 go with dtype float32, not bfloat16"),
    ],
)
def test_weights_that_cannot_be_had_are_refused(
    small_checkpoint: Path, options: dict[str, str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Engine.load(small_checkpoint, device="cpu", **options)  # type: ignore[arg-type]


def test_where_fbgemm_is_missing_the_error_says_so(
    small_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("personaplex_ros.engine.packing.available", lambda: False)
    with pytest.raises(ValueError, match="x86 CPUs with FBGEMM only, not on cpu"):
        Engine.load(small_checkpoint, device="cpu", weights="int8")
