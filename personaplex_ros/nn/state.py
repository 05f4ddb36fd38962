"""Streaming state as plain trees: dataclasses and lists whose leaves are tensors.

Every leaf has the batch (one row a conversation) as its first dimension and starts as zeros, so
that one row can be started afresh, or be filled from a copy, without touching its neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

import torch
from torch import Tensor


def leaves(state: Any) -> Iterator[Tensor]:
    """Yield the tensors of a state tree in a fixed order."""
    if isinstance(state, Tensor):
        yield state
    elif isinstance(state, (list, tuple)):
        for item in state:
            yield from leaves(item)
    elif is_dataclass(state):
        for field in fields(state):
            yield from leaves(getattr(state, field.name))


def reset_row(state: Any, row: int) -> None:
    """Start row ``row`` of every tensor of the tree afresh."""
    for leaf in leaves(state):
        leaf[row].zero_()


def first_rows(state: Any, rows: int) -> Any:
    """Return the same tree whose tensors are views of the first ``rows`` rows."""
    if isinstance(state, Tensor):
        return state[:rows]
    if isinstance(state, (list, tuple)):
        return type(state)(first_rows(item, rows) for item in state)
    if is_dataclass(state) and not isinstance(state, type):
        parts = {f.name: first_rows(getattr(state, f.name), rows) for f in fields(state)}
        return replace(state, **parts)
    return state


def advance(old: Tensor, new: Tensor, active: Tensor | None) -> None:
    """Replace ``old`` in place by ``new`` for the active rows; ``None`` means all of them.

    ``active`` is bool [B]; inactive rows keep their state, so a conversation that is paused or
    not yet begun is not disturbed by a step of the others.
    """
    if active is not None:
        new = torch.where(active.view(-1, *[1] * (new.dim() - 1)), new, old)
    old.copy_(new)
