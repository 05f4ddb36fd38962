"""The temporal transformer: one step a frame (Moshi, section 3.4)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from personaplex_ros.lm.config import LMConfig
from personaplex_ros.nn.attention import RingAttention, RingCache, RingSpec, RingView
from personaplex_ros.nn.gating import GatedFeedForward
from personaplex_ros.nn.norm import RMSNorm
from personaplex_ros.nn.typed import ModuleList

Device = torch.device | str | None


def ring_spec(config: LMConfig) -> RingSpec:
    """Return what the temporal attention may see."""
    return RingSpec(config.context, config.dim // config.heads, config.max_period)


class TemporalLayer(nn.Module):
    """Pre-norm attention over the ring of past frames, then a gated feed-forward network."""

    def __init__(self, config: LMConfig, device: Device, dtype: torch.dtype):
        super().__init__()
        self.norm1 = RMSNorm(config.dim, device)
        self.self_attn = RingAttention(config.heads, ring_spec(config), device, dtype)
        self.norm2 = RMSNorm(config.dim, device)
        self.gating = GatedFeedForward(config.dim, config.hidden, device, dtype)

    def forward(self, x: Tensor, cache: RingCache, view: RingView) -> Tensor:
        """Map x [B, T, D] -> [B, T, D]."""
        x = x + self.self_attn(self.norm1(x), cache, view)
        return x + self.gating(self.norm2(x))


class TemporalTransformer(nn.Module):
    """A stack of layers over the embedded columns of the token grid."""

    def __init__(self, config: LMConfig, device: Device, dtype: torch.dtype):
        super().__init__()
        self.layers: ModuleList[TemporalLayer] = ModuleList(
            [TemporalLayer(config, device, dtype) for _ in range(config.layers)]
        )

    def initial_caches(self, batch: int, positions: int | None = None) -> list[RingCache]:
        """Return one empty ring cache a layer, for the first ``positions`` only if given."""
        return [layer.self_attn.initial_cache(batch, positions) for layer in self.layers]

    def forward(self, x: Tensor, caches: list[RingCache], view: RingView) -> Tensor:
        """Map x [B, T, D] -> [B, T, D] and enter it into the caches."""
        for layer, cache in zip(self.layers, caches, strict=True):
            x = layer(x, cache, view)
        return x
