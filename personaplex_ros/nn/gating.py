"""Gated feed-forward network (SwiGLU, arXiv 2002.05202)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class GatedFeedForward(nn.Module):
    """linear_out(silu(a) * b), where a and b are the halves of linear_in(x); no biases."""

    def __init__(
        self,
        dim: int,
        hidden: int,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        super().__init__()
        self.linear_in = nn.Linear(dim, 2 * hidden, bias=False, device=device, dtype=dtype)
        self.linear_out = nn.Linear(hidden, dim, bias=False, device=device, dtype=dtype)

    def forward(self, x: Tensor) -> Tensor:
        """Map x [B, T, D] -> [B, T, D]."""
        gate, value = self.linear_in(x).chunk(2, dim=-1)
        return self.linear_out(F.silu(gate) * value)
