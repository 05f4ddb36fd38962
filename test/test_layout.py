"""Models of the published sizes have exactly the tensors of the published files."""

from __future__ import annotations

import json

from reference import REFERENCE, needs_reference
from torch import nn

from personaplex_ros.lm import LanguageModel, LMConfig
from personaplex_ros.mimi import Mimi, MimiConfig

Layout = dict[str, tuple[list[int], str]]


def layout_of(module: nn.Module) -> Layout:
    return {
        name: (list(tensor.shape), str(tensor.dtype).removeprefix("torch."))
        for name, tensor in module.state_dict().items()
    }


def published(name: str) -> Layout:
    layout = json.loads((REFERENCE / "checkpoint_layout.json").read_text())
    return {tensor: (shape, dtype) for tensor, (shape, dtype) in layout[name].items()}


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@needs_reference
def test_language_model_has_the_published_tensors() -> None:
    model = LanguageModel(LMConfig(), device="meta")
    assert layout_of(model) == published("model.safetensors")


@needs_reference
def test_codec_has_the_published_tensors() -> None:
    layout = published("tokenizer-e351c8d8-checkpoint125.safetensors")
    assert layout_of(Mimi(MimiConfig(), "meta")) == layout


@needs_reference
def test_sizes_are_found_from_the_published_shapes_alone() -> None:
    shapes = {name: shape for name, (shape, _) in published("model.safetensors").items()}
    assert LMConfig.from_checkpoint({}, shapes) == LMConfig()


def test_parameters_are_as_many_as_published() -> None:
    whole = LanguageModel(LMConfig(), device="meta")
    live = LanguageModel(LMConfig().with_depth_steps(8), device="meta")
    assert round(parameters(whole) / 1e9, 2) == 8.37
    assert round(parameters(whole.transformer) / 1e9, 2) == 6.58
    # Half of the steps' weights are never needed in a live conversation.
    saved = parameters(whole) - parameters(live)
    per_step = 6 * (4 * 1024**2 + 3 * 1024 * 2816) + 4096 * 1024 + 2 * 1024 * 2048 + 1024
    assert saved == 8 * per_step
