"""What loading a checkpoint would find, from the headers of its files alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from personaplex_ros.checkpoint.files import CheckpointFiles
from personaplex_ros.checkpoint.loading import (
    Shape,
    check_language_model,
    compare,
    open_weights,
    stored_shapes,
)
from personaplex_ros.lm import LMConfig
from personaplex_ros.mimi import Mimi, MimiConfig


@dataclass(frozen=True)
class ModelSizes:
    """Architecture of a language model, as its file stores it, and of its codec."""

    lm: LMConfig
    codec: MimiConfig


def inspect(files: CheckpointFiles) -> ModelSizes:
    """Compare both weight files with their configuration; nothing but their headers is read.

    Raises ValueError as loading would: for a file cut short, and for tensors that are missing,
    surplus, misshapen or not floats.
    """
    with open_weights(files.model, "cpu") as file:
        config = check_language_model(files.model, file, files.config)
    with open_weights(files.mimi, "cpu") as file:
        compare(files.mimi, file, Mimi(files.mimi_config, device="meta"))
    return ModelSizes(config, files.mimi_config)


def read_shapes(path: Path) -> dict[str, Shape]:
    """Return the shape of every tensor of a safetensors file.

    Raises ValueError when the file is cut short.
    """
    with open_weights(path, "cpu") as file:
        return stored_shapes(file)
