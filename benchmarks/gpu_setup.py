"""What the sections of the GPU's benchmark are given, and what they have in common."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from personaplex_ros.engine import Engine
from personaplex_ros.lm import LMConfig
from personaplex_ros.mimi import MimiConfig

Row = dict[str, Any]


@dataclass(frozen=True)
class Setup:
    """What is measured, and how long."""

    device: torch.device
    lm: LMConfig
    codec: MimiConfig
    dtype: torch.dtype
    weights: tuple[str | None, ...]
    sessions: tuple[int, ...]
    frames: int  # of which a row tells percentiles
    forced: int  # frames of which a row of drift is the mean

    @property
    def model(self) -> tuple[LMConfig, MimiConfig, torch.device, torch.dtype]:
        """What a random model is made of."""
        return self.lm, self.codec, self.device, self.dtype


def sound(engine: Engine, number: int) -> np.ndarray:
    """Return a frame of noise, another one for each of 50 numbers."""
    return noises(engine.frame_size)[number % 50]


@functools.cache
def noises(size: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((50, size)).astype(np.float32) * 0.02
