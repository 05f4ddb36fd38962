"""Attention to the first positions of a ring cache that are kept in it, and to those that are not.

A row may have its first positions pinned: they keep their places, and the ring goes round behind
them. They are seen as if they stood just before its oldest position, so that nothing is ever seen
from further away than the ring is long. Rotations are relative: not the pinned keys move on with
every step, but a second copy of the query stays where it was when the ring was first full. What a
step costs is what it costs without.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Pin:
    """How the queries of one step see what is pinned."""

    turn: Tensor  # complex64 [B, 1, 1, head_dim / 2], the rotation of the query for it
    held: Tensor  # bool [B, 1, 1, keys], which ring entries it is


def entry(position: Tensor, window: int, pinned: Tensor) -> Tensor:
    """Return where in the ring int64 [B] positions lie behind so many that are pinned."""
    return pinned + (position - pinned) % (window - pinned)


def visible(position: Tensor, filled: int, window: int, pinned: Tensor) -> Tensor:
    """Return which of the first ``filled`` entries hold a position: bool [B, 1, 1, filled].

    All [B] positions are entered already.
    """
    ring, newest, pinned = _entries(filled, position), position[:, None], pinned[:, None]
    held = newest - (newest - ring).remainder(window - pinned)
    return ((ring < pinned) | (held >= pinned))[:, None, None]


def pin(turn: Tensor, filled: int, pinned: Tensor) -> Pin:
    """Return how a step sees int64 [B] pinned positions, its queries rotated for them by ``turn``.

    ``filled`` ring entries are read.
    """
    return Pin(turn, (_entries(filled, pinned) < pinned[:, None])[:, None, None])


def attend(queries: Tensor, keys: Tensor, values: Tensor, pin: Pin, mask: Tensor | None) -> Tensor:
    """Attend from a query and its copy for what is pinned, [B, heads, 2, head_dim].

    Both read the keys [B, heads, N, head_dim] together. Returns [B, heads, 1, head_dim].
    """
    others, pinned = (queries @ keys.transpose(2, 3)).float().chunk(2, dim=2)
    scores = torch.where(pin.held, pinned, others) * queries.shape[-1] ** -0.5
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return scores.softmax(-1).to(values.dtype) @ values


def _entries(count: int, like: Tensor) -> Tensor:
    return torch.arange(count, device=like.device)
