"""Between what a model was and what a training made of it."""

from __future__ import annotations

import torch
from torch import nn


def check_share(learnt: float) -> None:
    """Raise ValueError for what is no share of a training that can be kept."""
    if not 0 < learnt <= 1:
        raise ValueError(f"learnt is {learnt}; it is a share, above 0 and up to 1")


@torch.no_grad()
def blend(model: nn.Module, before: nn.Module, learnt: float) -> None:
    """Move a model's weights back towards what they were before a training: ``learnt`` is kept.

    Between both lie models that know the new and have not forgotten the old (Wortsman et al. 2022,
    "Robust fine-tuning of zero-shot models").
    """
    for weight, was in zip(model.parameters(), before.parameters(), strict=True):
        weight.lerp_(was.to(weight), 1 - learnt)
