"""What loading a checkpoint would find, from the headers of its files alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from personaplex_ros.checkpoint.files import CheckpointFiles
from personaplex_ros.checkpoint.loading import (
    Shape,
    check_codec,
    check_language_model,
    stored_shapes,
)
from personaplex_ros.checkpoint.weights_file import WeightsFile
from personaplex_ros.lm import LMConfig
from personaplex_ros.mimi import MimiConfig


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
    with WeightsFile(files.model, "cpu") as file:
        config = check_language_model(files.model, file, files.config)
    with WeightsFile(files.mimi, "cpu") as file:
        check_codec(files.mimi, file, files.mimi_config)
    return ModelSizes(config, files.mimi_config)


def read_shapes(path: Path) -> dict[str, Shape]:
    """Return the shape of every tensor of a safetensors file.

    Raises ValueError when the file is cut short.
    """
    with WeightsFile(path, "cpu") as file:
        return stored_shapes(file)
