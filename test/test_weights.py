"""Which weights are read from a file, and in which type they are kept."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from reference import CODEC, LM, config_json, converse, random_lm, talk, write_checkpoint
from safetensors.torch import load_file, save_file
from torch import Tensor

from personaplex_ros.checkpoint import load_codec, load_language_model, loading
from personaplex_ros.engine import Engine, Persona
from personaplex_ros.lm import LMConfig


@pytest.mark.parametrize("stored", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("wanted", [torch.float32, torch.bfloat16])
def test_weights_are_loaded_in_the_type_asked_for(
    tmp_path: Path, stored: torch.dtype, wanted: torch.dtype
) -> None:
    path = tmp_path / "model.safetensors"
    weights = {name: t.to(stored) for name, t in random_lm().state_dict().items()}
    save_file(weights, path)
    model = load_language_model(path, config_json(LM), "cpu", wanted, 16)
    for name, tensor in model.state_dict().items():
        expected = torch.float32 if name.endswith("alpha") else wanted
        assert tensor.dtype == expected, name
        assert torch.equal(tensor, weights[name].to(expected)), name
    assert not any(p.requires_grad for p in model.parameters())


def test_the_codec_is_float32_whatever_the_file_holds(tmp_path: Path) -> None:
    source = write_checkpoint(tmp_path) / "mimi.safetensors"
    half = {name: t.half() for name, t in load_file(source).items()}
    save_file(half, tmp_path / "half.safetensors")
    codec = load_codec(tmp_path / "half.safetensors", CODEC, "cpu")
    for name, tensor in codec.state_dict().items():
        assert tensor.dtype == torch.float32 and torch.equal(tensor, half[name].float())


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_an_engine_talks_in_every_type(small_checkpoint: Path, dtype: str) -> None:
    engine = Engine.load(small_checkpoint, device="cpu", dtype=dtype)
    assert engine.lm.text_emb.weight.dtype == getattr(torch, dtype)
    tokens = converse(engine.open(Persona("x", "Be kind.")), talk(engine, 0.8))
    assert len(set(tokens)) > 1


def depth_weights(model: torch.nn.Module, config: LMConfig, step: int) -> dict[str, Tensor]:
    """Return all weights of one depth step under names without its number."""
    state, weights = model.state_dict(), {}
    for name, tensor in state.items():
        own = re.fullmatch(rf"(depformer_in|linears|.*\.gating)\.{step}(\..*)", name)
        if own:
            weights[own[1] + own[2]] = tensor
        elif name.startswith("depformer.") and ".self_attn." in name:
            weights[name] = tensor.unflatten(0, (config.depth_steps, -1))[step]
        elif name == f"depformer_emb.{step - 1}.weight":
            weights["input"] = tensor
    return weights


def test_only_the_steps_of_a_live_conversation_are_read(
    small_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    original = loading._read

    def noting(file: Any, name: str, *steps: int) -> Tensor:
        read.append(name)
        return original(file, name, *steps)

    monkeypatch.setattr(loading, "_read", noting)
    path = small_checkpoint / "model.safetensors"
    live = load_language_model(path, config_json(LM), "cpu", torch.float32)
    whole = load_language_model(path, config_json(LM), "cpu", torch.float32, 16)
    count = len(live.state_dict())
    assert not [n for n in read[:count] if re.search(r"(linears|gating|_in)\.(8|9|1\d)\.", n)]
    assert live.config.depth_steps == 8
    for step in range(8):
        ours, all_of_them = (depth_weights(m, m.config, step) for m in (live, whole))
        assert ours.keys() == all_of_them.keys() and len(ours) == 11 - (step == 0)
        assert all(torch.equal(ours[name], all_of_them[name]) for name in ours)
    saved = sum(p.numel() for p in whole.parameters()) - sum(p.numel() for p in live.parameters())
    steps = [depth_weights(whole, LM, step) for step in range(8, 16)]
    assert saved == sum(t.numel() for weights in steps for t in weights.values())


def test_a_file_with_eight_steps_repeats_them(tmp_path: Path) -> None:
    stored = LM.with_depth_steps(8)
    model = random_lm(stored)
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    config = config_json(LM)  # 16 are configured
    loaded = load_language_model(
        tmp_path / "model.safetensors", config, "cpu", torch.float32, depth_steps=16
    )
    assert loaded.config == LM
    for step in range(16):
        ours, source = depth_weights(loaded, LM, step), depth_weights(model, stored, step % 8)
        if step % 8 == 0:  # step 0 reads the text token, which has a table of its own
            ours.pop("input", None)
        assert ours.keys() == source.keys()
        assert all(torch.equal(ours[name], source[name]) for name in ours), step
