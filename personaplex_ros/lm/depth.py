"""The depth transformer: the codes of one frame, one after the other (Moshi, section 3.4.1).

Every step has weights of its own; only the norms are shared. It has no positional embedding and
forgets everything between frames.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from personaplex_ros.lm.config import LMConfig
from personaplex_ros.nn.gating import GatedFeedForward
from personaplex_ros.nn.norm import RMSNorm
from personaplex_ros.nn.typed import ModuleList

Device = torch.device | str | None


class StepAttention(nn.Module):
    """Attention over the steps of one frame; the steps' projections are stacked in rows."""

    def __init__(self, config: LMConfig, device: Device, dtype: torch.dtype):
        super().__init__()
        dim, steps = config.depth_dim, config.depth_steps
        self.steps = steps
        self.heads = config.depth_heads
        self.dim = dim
        self.in_proj_weight = nn.Parameter(
            torch.empty(steps * 3 * dim, dim, device=device, dtype=dtype)
        )
        self.out_proj = nn.Linear(dim, steps * dim, bias=False, device=device, dtype=dtype)

    def forward(self, x: Tensor, step: int, past: Tensor) -> Tensor:
        """Attend from x [B, D] to the steps before; past is [2, B, heads, steps, head_dim]."""
        dim = self.dim
        qkv = F.linear(x, self.in_proj_weight[step * 3 * dim : (step + 1) * 3 * dim])
        q, k, v = qkv.unflatten(-1, (3, self.heads, 1, -1)).unbind(1)  # [B, heads, 1, head_dim]
        past[0, :, :, step : step + 1] = k
        past[1, :, :, step : step + 1] = v
        keys, values = past[:, :, :, : step + 1]
        y = F.scaled_dot_product_attention(q, keys, values)
        return F.linear(y.flatten(1), self.out_proj.weight[step * dim : (step + 1) * dim])


class DepthLayer(nn.Module):
    """Pre-norm attention over the steps, then the gated feed-forward network of this step."""

    def __init__(self, config: LMConfig, device: Device, dtype: torch.dtype):
        super().__init__()
        self.norm1 = RMSNorm(config.depth_dim, device)
        self.self_attn = StepAttention(config, device, dtype)
        self.norm2 = RMSNorm(config.depth_dim, device)
        self.gating: ModuleList[GatedFeedForward] = ModuleList(
            [
                GatedFeedForward(config.depth_dim, config.depth_hidden, device, dtype)
                for _ in range(config.depth_steps)
            ]
        )

    def forward(self, x: Tensor, step: int, past: Tensor) -> Tensor:
        """Map x [B, D] -> [B, D] for one step."""
        x = x + self.self_attn(self.norm1(x), step, past)
        return x + self.gating[step](self.norm2(x))


class DepthTransformer(nn.Module):
    """A stack of layers that runs one step at a time."""

    def __init__(self, config: LMConfig, device: Device, dtype: torch.dtype):
        super().__init__()
        self.config = config
        self.layers: ModuleList[DepthLayer] = ModuleList(
            [DepthLayer(config, device, dtype) for _ in range(config.depth_layers)]
        )

    def initial_past(self, batch: int) -> Tensor:
        """Return room for keys and values: [layers, 2, B, heads, steps, head_dim]."""
        config = self.config
        weight = self.layers[0].self_attn.in_proj_weight
        head_dim = config.depth_dim // config.depth_heads
        return weight.new_zeros(
            len(self.layers), 2, batch, config.depth_heads, config.depth_steps, head_dim
        )

    def forward(self, x: Tensor, step: int, past: Tensor) -> Tensor:
        """Map x [B, D] -> [B, D] for one step, entering it into ``past``."""
        for layer, layer_past in zip(self.layers, past, strict=True):
            x = layer(x, step, layer_past)
        return x
