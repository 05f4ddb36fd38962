"""Models of any size with random weights, made on their device, for measuring time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from personaplex_ros.checkpoint import CheckpointFiles
from personaplex_ros.checkpoint.inspection import read_shapes
from personaplex_ros.checkpoint.spelling import Spelled
from personaplex_ros.engine import Engine
from personaplex_ros.engine.packing import scale
from personaplex_ros.lm import LanguageModel, LMConfig
from personaplex_ros.mimi import Mimi, MimiConfig
from personaplex_ros.nn.conv import lay_kernels_by_sample
from personaplex_ros.training.export import (
    MIMI_CONFIG,
    export_codec,
    export_language_model,
    mimi_json,
    save_json,
)

ONES = ("alpha", "scale", "cluster_usage", "_initialized", "norm1.weight", "norm2.weight")


class Words:
    """Stands for a tokenizer: a token a word."""

    def encode(self, text: str) -> list[int]:
        """Return ids that differ by the words' lengths."""
        return [10 + len(word) for word in text.split()]

    def spell(self, text: str) -> Spelled:
        """Return a text as it is: every character is known."""
        return Spelled(text)

    def piece(self, token: int) -> str:
        """Return the text of any token."""
        return " word"


def random_engine(
    lm_config: LMConfig,
    codec_config: MimiConfig,
    device: torch.device,
    dtype: torch.dtype,
    weights: str | None = None,
    slots: int = 1,
) -> Engine:
    """Return an engine of random weights, the same for the same sizes and device."""
    generator = torch.Generator(device).manual_seed(0)
    lm = LanguageModel(lm_config, "meta", dtype).to_empty(device=device)
    codec = Mimi(codec_config, "meta").to_empty(device=device)
    for module in (lm, codec):
        fill(module, generator)
    codec.quantizer.derive()
    lay_kernels_by_sample(codec)
    lm.eval().requires_grad_(False)
    codec.eval().requires_grad_(False)
    if weights is not None:
        scale(lm, weights, device)
    lm.fused = device.type == "cuda"
    return Engine(lm, codec, Words(), [], slots)  # type: ignore[arg-type]


def fill(module: nn.Module, generator: torch.Generator) -> None:
    """Give all tensors of a module random values of a size that keeps signals alive."""
    for name, tensor in module.state_dict().items():
        if name.endswith(ONES):
            tensor.fill_(1.0)
        else:
            spread = 0.02 if tensor.dim() < 2 else tensor.shape[-1] ** -0.5
            tensor.normal_(0.0, spread, generator=generator)


def write_random_checkpoint(folder: Path) -> Path:
    """Write a checkpoint in the published layout whose frames cost next to nothing."""
    files = CheckpointFiles.find("nano")
    bundled = LMConfig.from_checkpoint(files.config, read_shapes(files.model))
    codec_config = replace(
        files.mimi_config, filters=4, dimension=32, ratios=(40, 24), heads=4, layers=1, hidden=64,
        code_dimension=16, cardinality=128, codebooks=2,
    )  # fmt: skip
    lm_config = replace(
        bundled, dim=64, heads=4, layers=1, hidden=176, cardinality=128, audio_rows=2,
        depth_steps=1, depth_dim=32, depth_heads=2, depth_layers=1, depth_hidden=88,
        delays=(0, 0, 0), silence_codes=(9,), sine_codes=(43,),
    )  # fmt: skip
    generator = torch.Generator().manual_seed(0)
    lm, codec = LanguageModel(lm_config, "cpu", torch.float32), Mimi(codec_config, "cpu")
    for module in (lm, codec):
        module.requires_grad_(False)
        fill(module, generator)
    for parameter in list(codec.decoder.parameters())[-2:]:
        parameter.mul_(0.05)  # or it would be far beyond full scale
    folder.mkdir(parents=True, exist_ok=True)
    export_codec(codec, folder)
    content = mimi_json(codec_config)
    content["seanet"]["ratios"] = codec_config.ratios
    save_json(folder / MIMI_CONFIG, content)
    export_language_model(lm, folder)
    (folder / files.tokenizer.name).write_bytes(files.tokenizer.read_bytes())
    return folder
