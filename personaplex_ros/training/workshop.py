"""Where a training takes place, as its stages see it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from personaplex_ros.training.recipe import Recipe
from personaplex_ros.training.world import World, load_world

BEGUN = "begun.safetensors"
"""In the work folder: the language model that a training goes on with."""
LEARNT = "learnt.safetensors"
"""In the work folder: the language model as it was when it had learnt."""


@dataclass(frozen=True)
class Workshop:
    """Where a training takes place."""

    recipe: Recipe
    work: Path
    output: Path  # the checkpoint folder
    device: torch.device
    seed: int = 0

    @property
    def voices(self) -> Path:
        """Where the recorded voices lie."""
        return self.work / "voices"

    @property
    def world(self) -> World:
        """The closed world."""
        return load_world()

    def forget_copies(self) -> None:
        """Take away the language models that stages found: from now on there is another."""
        for name in (BEGUN, LEARNT):
            (self.work / name).unlink(missing_ok=True)
