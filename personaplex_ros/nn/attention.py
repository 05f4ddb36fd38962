"""Causal self-attention over a ring cache, with rotary positions (RoFormer, arXiv 2104.09864).

Keys and values of the newest positions are kept in a ring: position p lies at index p mod window.
Each row of the batch has its own position, so rows may begin at different times. The first
positions of a row may stay, see ``nn.pin``.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from personaplex_ros.nn.pin import Pin, attend, entry, pin, visible

PRECISE = 4096  # positions whose angles float32 holds to 2e-4; all others are counted from these


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

    turn: Tensor  # complex64 [B, 1, T, head_dim / 2], the rotation of each position
    rows: Tensor | None  # int64 [B, 1]; None when all rows write to the same places
    index: Tensor  # int64 [B, T], or [T] without rows: where the new keys are written
    one_block: bool  # written before they attend; several blocks attend first
    filled: int  # ring entries that are read
    mask: Tensor | None  # bool [B or 1, 1, T, keys], what each query may see; None: everything
    pin: Pin | None = None  # None where nothing is pinned, or all is still within reach

    @staticmethod
    def at(position: Tensor, length: int, spec: RingSpec, longest: int, even: bool) -> RingView:
        """Describe a step of ``length`` positions that begins at ``position`` (int64 [B]).

        ``longest`` is the largest position of the batch, known to the caller without asking the
        device; ``even`` says that all rows are there, which saves most of the mask.
        Several blocks in one step give the same result as one after the other.
        """
        positions = position.view(-1, 1) + torch.arange(length, device=position.device)  # [B, T]
        index = positions % spec.window
        one_block = length == spec.block
        filled = min(longest + length * one_block, spec.window)
        rows = None
        if even:
            index = index[0]
        else:
            rows = torch.arange(len(index), device=index.device).view(-1, 1)
        if not (even and one_block):
            mask = _visible(positions, spec, filled, one_block)
        elif length > 1:  # the newest entries are hidden from the queries before them
            seen = torch.ones(length, filled, dtype=torch.bool, device=index.device)
            causal = seen.new_ones(length, length).tril()
            mask = seen.index_copy(1, index, causal)[None, None]
        else:
            mask = None
        return RingView(rotation(positions, spec), rows, index, one_block, filled, mask)

    @staticmethod
    def behind(
        pinned: Tensor, position: Tensor, spec: RingSpec, longest: int, even: bool
    ) -> RingView:
        """Describe a step of one position behind ``pinned`` int64 [B], fewer than the ring has.

        The rest is as in ``at``. Where the ring has not been full it is the same as that.
        """
        filled = min(longest + 1, spec.window)
        index, rows = entry(position, spec.window, pinned)[:, None], None
        mask = None
        if even:
            index = index[0]
        else:
            rows = torch.arange(len(index), device=index.device).view(-1, 1)
            mask = visible(position, filled, spec.window, pinned)
        turns = rotation(torch.cat([position, held_back(position, spec)])[:, None], spec)
        turn, turn_to_pinned = turns.chunk(2)
        return RingView(turn, rows, index, True, filled, mask, pin(turn_to_pinned, filled, pinned))


def _visible(positions: Tensor, spec: RingSpec, filled: int, one_block: bool) -> Tensor:
    """Return the mask [B, 1, T, keys] of queries at int64 [B, T], whose keys may follow the ring's.

    With ``one_block`` their keys stand in the ring already.
    """
    block, window = spec.block, spec.window
    ring = torch.arange(filled, device=positions.device)
    newest = positions[:, -1:] if one_block else positions[:, :1] - 1
    held = newest - (newest - ring).remainder(window)  # position that each entry holds
    if not one_block:
        held = torch.cat([held, positions], dim=-1)
    held, query = held[:, None, None, :], positions[:, None, :, None]
    oldest = (query // block + 1) * block - window
    return (held >= 0) & (held <= query) & (held >= oldest)


def held_back(positions: Tensor, spec: RingSpec) -> Tensor:
    """Return from where what is pinned is seen: where the ring was first full, and no later."""
    return positions.clamp(max=spec.window - 1)


@functools.cache
def rope_frequencies(spec: RingSpec, device: torch.device) -> Tensor:
    """Return the float32 angular frequencies [head_dim / 2] of the rotary embedding."""
    index = torch.arange(spec.head_dim // 2, device=device, dtype=torch.float32)
    return torch.exp(index * (-math.log(spec.max_period) * 2 / spec.head_dim))


def rotation(positions: Tensor, spec: RingSpec) -> Tensor:
    """Return what to rotate by at positions [B, T]: complex64 [B, 1, T, head_dim / 2]."""
    frequencies = rope_frequencies(spec, positions.device)
    near, far = (x[:, None, :, None] for x in (positions % PRECISE, positions // PRECISE))
    whole = far * (PRECISE * frequencies.double()) % (2 * math.pi)  # a day has a million positions
    angle = near.float() * frequencies + whole.float()
    return torch.polar(torch.ones_like(angle), angle)


def rotate(x: Tensor, turn: Tensor) -> Tensor:
    """Rotate interleaved pairs of x [..., B, heads, T, head_dim], in float32."""
    pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * turn).flatten(-2).to(x.dtype)


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
        qkv = qkv.unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # [3, B, H, T, d]
        (q, k), v = rotate(qkv[:2], view.turn), qkv[2]
        if view.one_block:
            write(cache, k, v, view)
            keys, values = cache.keys[:, :, : view.filled], cache.values[:, :, : view.filled]
        else:
            keys = torch.cat([cache.keys[:, :, : view.filled], k], dim=2)
            values = torch.cat([cache.values[:, :, : view.filled], v], dim=2)
            write(cache, k, v, view)
        if view.pin is None:
            y = F.scaled_dot_product_attention(q, keys, values, attn_mask=view.mask)
        else:
            queries = torch.cat([q, rotate(qkv[0], view.pin.turn)], dim=2)
            y = attend(queries, keys, values, view.pin, view.mask)
        return self.out_proj(y.transpose(1, 2).flatten(2))


def write(cache: RingCache, keys: Tensor, values: Tensor, view: RingView) -> None:
    """Enter the keys and values [B, heads, T, head_dim] of a step; of many, only the last stay."""
    newest = slice(-cache.keys.shape[2], None)
    index, keys, values = view.index[..., newest], keys[:, :, newest], values[:, :, newest]
    if view.rows is None:
        cache.keys.index_copy_(2, index, keys)
        cache.values.index_copy_(2, index, values)
    else:
        cache.keys[view.rows, :, index] = keys.transpose(1, 2)
        cache.values[view.rows, :, index] = values.transpose(1, 2)
