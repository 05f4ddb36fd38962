"""What loading a checkpoint would find, from the headers of its files alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from personaplex_ros.checkpoint.files import CheckpointFiles
from personaplex_ros.checkpoint.loading import (
    Shape,
    compare,
    module_shapes,
    open_weights,
    stored_shapes,
    unloadable,
)
from personaplex_ros.lm import LanguageModel, LMConfig
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
        shapes = stored_shapes(file)
        try:
            config = LMConfig.from_checkpoint(files.config, shapes)
        except ValueError as error:
            raise ValueError(f"{files.model} with its config.json: {error}") from error
        compare(
            files.model,
            shapes,
            module_shapes(LanguageModel(config, device="meta")),
            unloadable(file),
        )
    with open_weights(files.mimi, "cpu") as file:
        codec = Mimi(files.mimi_config, device="meta")
        compare(files.mimi, stored_shapes(file), module_shapes(codec), unloadable(file))
    return ModelSizes(config, files.mimi_config)


def read_shapes(path: Path) -> dict[str, Shape]:
    """Return the shape of every tensor of a safetensors file.

    Raises ValueError when the file is cut short.
    """
    with open_weights(path, "cpu") as file:
        return stored_shapes(file)
