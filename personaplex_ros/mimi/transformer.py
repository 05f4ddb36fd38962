"""Mimi's streaming transformer, one before the quantiser and one behind it (Moshi, section 3.3)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from personaplex_ros.mimi.config import MimiConfig
from personaplex_ros.nn.attention import RingAttention, RingCache, RingSpec, RingView
from personaplex_ros.nn.norm import LayerScale
from personaplex_ros.nn.state import first_rows, reset_row
from personaplex_ros.nn.typed import ModuleList


@dataclass
class TransformerState:
    """Caches of the layers, and the position [B] at which each row stands.

    ``longest`` bounds the positions from above; it is known without asking the device. A row that
    is ``alone`` and took part in every call stands exactly there.
    """

    caches: list[RingCache]
    position: Tensor
    alone: bool
    longest: int = 0

    def restart(self, row: int) -> None:
        """Begin row ``row`` afresh."""
        reset_row(self, row)
        if len(self.position) == 1:
            self.alone, self.longest = True, 0

    def first(self, rows: int) -> TransformerState:
        """Return a view of the first ``rows`` rows that is right wherever they stand."""
        window = self.caches[0].keys.shape[2]
        caches = first_rows(self.caches, rows)
        return TransformerState(caches, self.position[:rows], alone=False, longest=window)


def ring_spec(config: MimiConfig) -> RingSpec:
    """Return what the codec's attention may see."""
    head_dim = config.dimension // config.heads
    return RingSpec(config.context, head_dim, config.max_period, config.latent_stride)


class Layer(nn.Module):
    """Pre-norm attention and feed-forward branches, each scaled per channel."""

    def __init__(self, config: MimiConfig, device: torch.device | str | None):
        super().__init__()
        dim = config.dimension
        self.norm1 = nn.LayerNorm(dim, eps=1e-5, device=device)
        self.self_attn = RingAttention(config.heads, ring_spec(config), device)
        self.layer_scale_1 = LayerScale(dim, device)
        self.norm2 = nn.LayerNorm(dim, eps=1e-5, device=device)
        self.linear1 = nn.Linear(dim, config.hidden, bias=False, device=device)
        self.linear2 = nn.Linear(config.hidden, dim, bias=False, device=device)
        self.layer_scale_2 = LayerScale(dim, device)

    def forward(self, x: Tensor, cache: RingCache, view: RingView) -> Tensor:
        """Map x [B, T, D] -> [B, T, D]."""
        x = self.layer_scale_1(x, self.self_attn(self.norm1(x), cache, view))
        return self.layer_scale_2(x, self.linear2(F.gelu(self.linear1(self.norm2(x)))))


class Layers(nn.Module):
    """The layers under their public name."""

    def __init__(self, config: MimiConfig, device: torch.device | str | None):
        super().__init__()
        layers = [Layer(config, device) for _ in range(config.layers)]
        self.layers: ModuleList[Layer] = ModuleList(layers)


class Transformer(nn.Module):
    """Causal transformer over latents [B, T, D] with a limited context."""

    def __init__(self, config: MimiConfig, device: torch.device | str | None = None):
        super().__init__()
        self.spec = ring_spec(config)
        self.transformer = Layers(config, device)

    def initial_state(self, batch: int) -> TransformerState:
        """Return the state of ``batch`` streams that have not begun."""
        layers = self.transformer.layers
        caches = [layer.self_attn.initial_cache(batch) for layer in layers]
        position = torch.zeros(batch, dtype=torch.int64, device=caches[0].keys.device)
        return TransformerState(caches, position, alone=batch == 1)

    def forward(self, x: Tensor, state: TransformerState, active: Tensor | None = None) -> Tensor:
        """Map one chunk [B, T, D] and bring the state forward."""
        length = x.shape[1]
        state.alone &= active is None
        view = RingView.at(state.position, length, self.spec, state.longest, even=state.alone)
        for layer, cache in zip(self.transformer.layers, state.caches, strict=True):
            x = layer(x, cache, view)
        state.position += length if active is None else length * active
        state.longest += length
        return x
