"""Causal self-attention over a ring cache, with rotary positions (RoFormer, arXiv 2104.09864).

Keys and values of the newest positions are kept in a ring: position p lies at index p mod window.
Each row of the batch has its own position, so rows may begin at different times.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass
class RingCache:
    """Keys and values of one layer: [B, heads, window, head_dim] each."""

    keys: Tensor
    values: Tensor


@dataclass(frozen=True)
class RingSpec:
    """What an attention may see.

    The published models hold a ring of ``context`` positions but never attend to its oldest one,
    so the window is one less. Positions enter in blocks (the codec's two steps a frame); a whole
    block is entered before any of it attends, which costs the first of a block the oldest keys.
    """

    context: int
    head_dim: int
    max_period: float
    block: int = 1

    @property
    def window(self) -> int:
        """Positions that are kept."""
        return self.context - 1


@dataclass(frozen=True)
class RingView:
    """Where the T positions of one step stand in the ring; made once, used by every layer."""

    cos: Tensor  # float32 [B, 1, T, head_dim / 2]
    sin: Tensor
    rows: Tensor  # int64 [B, 1]
    index: Tensor  # int64 [B, T], where the new keys are written
    one_block: bool  # written before they attend; several blocks attend first
    filled: int  # ring entries that are read
    mask: Tensor | None  # bool [B, 1, T, keys], what each query may see; None: everything

    @staticmethod
    def at(position: Tensor, length: int, spec: RingSpec, longest: int, even: bool) -> RingView:
        """Describe a step of ``length`` positions that begins at ``position`` (int64 [B]).

        ``longest`` is the largest position of the batch, known to the caller without asking the
        device; ``even`` says that all rows are there, which saves the mask of a single position.
        Several blocks in one step give the same result as one after the other.
        """
        device, block, window = position.device, spec.block, spec.window
        positions = position.view(-1, 1) + torch.arange(length, device=device)  # [B, T]
        angle = positions[:, None, :, None].float() * rope_frequencies(spec, device)
        rows = torch.arange(position.shape[0], device=device).view(-1, 1)
        one_block = length == block
        filled = min(longest + length * one_block, window)
        mask = None
        if length > 1 or not even:
            ring = torch.arange(filled, device=device)
            newest = position.view(-1, 1) - 1 + length * one_block
            held = newest - (newest - ring).remainder(window)  # position that each entry holds
            if not one_block:
                held = torch.cat([held, positions], dim=-1)
            held, query = held[:, None, None, :], positions[:, None, :, None]
            oldest = (query // block + 1) * block - window
            mask = (held >= 0) & (held <= query) & (held >= oldest)
        index = positions % window
        return RingView(angle.cos(), angle.sin(), rows, index, one_block, filled, mask)


def rope_frequencies(spec: RingSpec, device: torch.device | str) -> Tensor:
    """Return the float32 angular frequencies [head_dim / 2] of the rotary embedding."""
    index = torch.arange(spec.head_dim // 2, device=device, dtype=torch.float32)
    return torch.exp(index * (-math.log(spec.max_period) * 2 / spec.head_dim))


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate interleaved pairs of x [B, heads, T, head_dim] by angles, in float32."""
    real, imag = x.float().unflatten(-1, (-1, 2)).unbind(-1)
    turned = torch.stack([real * cos - imag * sin, real * sin + imag * cos], dim=-1)
    return turned.flatten(-2).to(x.dtype)


class RingAttention(nn.Module):
    """Multi-head attention without biases; q, k and v packed in ``in_proj_weight`` [3 D, D]."""

    def __init__(
        self,
        heads: int,
        spec: RingSpec,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        super().__init__()
        self.heads = heads
        self.spec = spec
        dim = heads * spec.head_dim
        self.in_proj_weight = nn.Parameter(torch.empty(3 * dim, dim, device=device, dtype=dtype))
        self.out_proj = nn.Linear(dim, dim, bias=False, device=device, dtype=dtype)

    def initial_cache(self, batch: int, positions: int | None = None) -> RingCache:
        """Return an empty cache; with room for the first ``positions`` only if that is fewer."""
        room = min(self.spec.window, positions or self.spec.window)
        shape = (batch, self.heads, room, self.spec.head_dim)
        return RingCache(self.in_proj_weight.new_zeros(shape), self.in_proj_weight.new_zeros(shape))

    def forward(self, x: Tensor, cache: RingCache, view: RingView) -> Tensor:
        """Attend from x [B, T, D] to the past in the ring and to itself; enter x into the ring."""
        qkv = F.linear(x, self.in_proj_weight)
        q, k, v = qkv.unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # [B, H, T, d]
        q, k = (rotate(x, view.cos, view.sin) for x in (q, k))
        if view.one_block:
            write(cache, k, v, view)
            keys, values = cache.keys[:, :, : view.filled], cache.values[:, :, : view.filled]
        else:
            keys = torch.cat([cache.keys[:, :, : view.filled], k], dim=2)
            values = torch.cat([cache.values[:, :, : view.filled], v], dim=2)
            write(cache, k, v, view)
        y = F.scaled_dot_product_attention(q, keys, values, attn_mask=view.mask)
        return self.out_proj(y.transpose(1, 2).flatten(2))


def write(cache: RingCache, keys: Tensor, values: Tensor, view: RingView) -> None:
    """Enter the keys and values [B, heads, T, head_dim] of a step; of many, only the last stay."""
    newest = slice(-cache.keys.shape[2], None)
    index = view.index[:, newest]
    cache.keys[view.rows, :, index] = keys[:, :, newest].transpose(1, 2)
    cache.values[view.rows, :, index] = values[:, :, newest].transpose(1, 2)
