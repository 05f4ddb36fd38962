"""Normalisation and scaling layers, with the parameter names of the public files."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class RMSNorm(nn.Module):
    """x / rms(x) * alpha, computed in float32 whatever the input is (Zhang and Sennrich 2019)."""

    def __init__(self, dim: int, device: torch.device | str | None = None, eps: float = 1e-8):
        super().__init__()
        self.eps = eps
        self.alpha = nn.Parameter(torch.ones(1, 1, dim, device=device, dtype=torch.float32))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the last dimension of x."""
        alpha = self.alpha.view(-1)
        return F.rms_norm(x.float(), alpha.shape, alpha, self.eps).to(x.dtype)


class LayerScale(nn.Module):
    """Per-channel scale of a residual branch (Touvron et al. 2021)."""

    def __init__(self, dim: int, device: torch.device | str | None = None):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(dim, device=device))

    def forward(self, x: Tensor, branch: Tensor) -> Tensor:
        """Add the scaled branch to x, both [..., D]."""
        return torch.addcmul(x, branch, self.scale)
