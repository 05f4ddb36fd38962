"""The sizes that are reckoned with: the chosen checkpoint's, or the published ones."""

from __future__ import annotations

from dataclasses import dataclass, replace

from personaplex_ros.checkpoint.files import CheckpointFiles
from personaplex_ros.checkpoint.inspection import ModelSizes, inspect
from personaplex_ros.lm import LMConfig
from personaplex_ros.mimi import MimiConfig


@dataclass(frozen=True)
class Chosen:
    """Sizes, and whose they are."""

    sizes: ModelSizes
    name: str


def chosen_model(checkpoint: str) -> Chosen:
    """Read a checkpoint's sizes; when it is absent or broken, take those of PersonaPlex-7B.

    The context is the one that it runs with: as long as it was trained with.
    """
    try:
        files = CheckpointFiles.find(checkpoint)
        sizes = inspect(files)
        return Chosen(replace(sizes, lm=sizes.lm.within_training()), files.directory.name)
    except (FileNotFoundError, ValueError):
        return Chosen(ModelSizes(LMConfig(), MimiConfig()), "PersonaPlex-7B, as published")
