"""From trained modules to a checkpoint folder in the public layout, halved to 16 bits."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save
from torch import Tensor

from personaplex_ros.checkpoint import (
    CheckpointFiles,
    WaveVoice,
    load_codec,
    load_language_model,
)
from personaplex_ros.checkpoint.files import MIMI, MODEL, TOKENIZER
from personaplex_ros.engine.prepared import encode_voice
from personaplex_ros.files import write_whole
from personaplex_ros.lm import LanguageModel, LMConfig
from personaplex_ros.lm.grid import lay_out
from personaplex_ros.mimi import Mimi, MimiConfig
from personaplex_ros.mimi.quantizer import Codebook

MIMI_CONFIG = "mimi_config.json"
SINE_HZ = 440.0


def mimi_json(config: MimiConfig) -> dict[str, Any]:
    """Return a codec's ``mimi_config.json``."""
    return {
        "sample_rate": config.sample_rate,
        "frame_rate": config.frame_rate,
        "seanet": {"n_filters": config.filters, "dimension": config.dimension},
        "transformer": {
            "num_heads": config.heads, "num_layers": config.layers,
            "dim_feedforward": config.hidden, "context": config.context,
        },
        "quantizer": {
            "dimension": config.code_dimension, "n_q": config.codebooks, "bins": config.cardinality,
        },
    }  # fmt: skip


def export_codec(codec: Mimi, folder: Path) -> None:
    """Write the codec and its configuration; codebooks as centroids that were used once."""
    codec.quantizer.derive()  # a step moves the sums only, and so does resuming
    weights = {name: tensor.detach() for name, tensor in codec.state_dict().items()}
    for name, module in codec.named_modules():
        if isinstance(module, Codebook):
            weights[f"{name}.embedding_sum"] = module.centroids
            weights[f"{name}.cluster_usage"] = torch.ones_like(module.cluster_usage)
    save_tensors(folder / MIMI, {name: tensor.half() for name, tensor in weights.items()})
    save_json(folder / MIMI_CONFIG, mimi_json(codec.config))


def with_prompt_codes(config: LMConfig, codec: Mimi) -> LMConfig:
    """Return the same with the codec's codes of silence and of a 440 Hz sine."""
    rate = codec.config.sample_rate
    time = np.arange(3 * rate) / rate
    waves = (np.zeros(3 * rate), 0.5 * np.sin(2 * np.pi * SINE_HZ * time))
    silence, sine = (
        tuple(
            encode_voice(WaveVoice(w.astype(np.float32)), codec, config.codebooks)[:, -1].tolist()
        )
        for w in waves
    )
    return replace(config, silence_codes=silence, sine_codes=sine)


def export_language_model(model: LanguageModel, folder: Path) -> None:
    """Write the language model and the checkpoint's ``config.json``."""
    weights = {name: tensor.detach().half() for name, tensor in model.state_dict().items()}
    save_tensors(folder / MODEL, weights)
    config = model.config
    save_json(
        folder / "config.json",
        {
            "model_type": "personaplex", "dim": config.dim, "text_card": config.text_cardinality,
            "n_q": config.audio_rows, "dep_q": config.depth_steps, "card": config.cardinality,
            "num_heads": config.heads, "num_layers": config.layers, "context": config.context,
            "trained_context": config.trained_context, "depformer_dim": config.depth_dim,
            "depformer_num_heads": config.depth_heads, "depformer_num_layers": config.depth_layers,
            "delays": list(config.delays),
            "silence_codes": list(config.silence_codes), "sine_codes": list(config.sine_codes),
            "moshi_name": MODEL, "mimi_name": MIMI, "mimi_config_name": MIMI_CONFIG,
            "tokenizer_name": TOKENIZER,
        },
    )  # fmt: skip


def export_voice(samples: NDArray[np.float32], checkpoint: Path, path: Path) -> None:
    """Write a voice in the published form: its embedded columns and the grid's last columns.

    ``samples`` float32 [n] at the codec's rate; ``checkpoint`` holds codec and language model.
    """
    files = CheckpointFiles.find(checkpoint)
    codec = load_codec(files.mimi, files.mimi_config, "cpu")
    lm = load_language_model(files.model, files.config, "cpu", torch.float32)
    config = lm.config
    codes = encode_voice(WaveVoice(samples), codec, config.codebooks)
    count = codes.shape[1]
    frames = torch.full((config.rows, count), config.text_padding)
    frames[1 : 1 + config.codebooks] = codes
    frames[1 + config.codebooks :] = torch.tensor(config.sine_codes)[:, None]
    columns = lay_out(frames, config)
    width = max(config.delays) + 3
    last = range(count + max(config.delays) - width, count + max(config.delays))
    grid = torch.zeros(1, config.rows, width, dtype=torch.int64)
    for column in last:
        grid[0, :, column % width] = columns[:, column]
    with torch.inference_mode():
        embedded = lm.embed(columns[:, : count - 1].t()[None])[0]
    content = {"embeddings": embedded.half()[:, None, None].clone(), "cache": grid}
    write_whole(path, lambda place: torch.save(content, place))


def save_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write a safetensors file, whole or not at all."""
    content = {name: tensor.contiguous() for name, tensor in tensors.items()}
    # Its `save_file` lets only the owner read the file.
    write_whole(path, lambda place: place.write_bytes(save(content)))


def save_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file, whole or not at all."""
    write_whole(path, lambda place: place.write_text(json.dumps(content, indent=1) + "\n"))
