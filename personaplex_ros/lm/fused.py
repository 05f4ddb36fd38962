"""The step of one frame on a GPU: what ``temporal`` and ``depth`` compute, in few kernels.

A frame of few rows takes as long as reading the weights only if nothing else takes time: a kernel
starts in one or two microseconds, in which an H100 reads 5 MB. A temporal layer is six kernels here
instead of twenty, a depth layer five.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from personaplex_ros.kernels.attention import ring_attention, step_attention
from personaplex_ros.kernels.linear import Gather, linear
from personaplex_ros.kernels.sampling import choose
from personaplex_ros.lm.depth import DepthLayer, DepthTransformer
from personaplex_ros.lm.sampling import Draw
from personaplex_ros.lm.temporal import TemporalLayer, TemporalTransformer
from personaplex_ros.nn.attention import RingCache, held_back, rotation
from personaplex_ros.nn.gating import GatedFeedForward
from personaplex_ros.nn.norm import RMSNorm
from personaplex_ros.nn.packed import ScaledWeight


def temporal(
    transformer: TemporalTransformer,
    x: Tensor,
    caches: list[RingCache],
    position: Tensor,
    pinned: Tensor | None = None,
) -> Tensor:
    """Map x [B, D], the columns at ``position`` int64 [B], to [B, D] and enter them.

    ``pinned`` int64 [B] are the first columns that stay; None: none does.
    """
    spec = transformer.layers[0].self_attn.spec
    places = position[:, None]
    if pinned is not None:
        places = torch.cat([places, held_back(places, spec)])
    turn = rotation(places, spec)
    for layer, cache in zip(transformer.layers, caches, strict=True):
        x = _temporal_layer(layer, x, cache, turn, position, pinned)
    return x


def _temporal_layer(
    layer: TemporalLayer,
    x: Tensor,
    cache: RingCache,
    turn: Tensor,
    position: Tensor,
    pinned: Tensor | None,
) -> Tensor:
    attention = layer.self_attn
    qkv = _product(x, attention.in_proj_weight, norm=layer.norm1)[:, None]
    y = ring_attention(qkv, cache.keys, cache.values, turn, position, 1, pinned)[:, 0]
    x = _product(y, attention.out_proj.weight, plus=x)
    return _feed_forward(layer.gating, x, layer.norm2)


def code(
    depth: DepthTransformer,
    enter: nn.Linear,
    table: nn.Embedding,
    head: nn.Linear,
    hidden: Tensor,
    token: Tensor,
    step: int,
    past: Tensor,
    draw: Draw,
    forced: Tensor,
) -> Tensor:
    """Return the code int64 [B] of a depth step: ``forced`` [B], or chosen after ``token`` [B]."""
    x = _product(hidden, enter.weight, plus=Gather(table.weight, token))
    for layer, layer_past in zip(depth.layers, past, strict=True):
        x = _depth_layer(layer, x, step, layer_past)
    logits = _product(x, head.weight, out_dtype=torch.float32)
    return choose(logits, draw.temperature, draw.top_k, draw.noise, draw.peak, step, forced)


def _depth_layer(layer: DepthLayer, x: Tensor, step: int, past: Tensor) -> Tensor:
    attention, dim = layer.self_attn, layer.self_attn.dim
    rows = slice(step * 3 * dim, (step + 1) * 3 * dim)
    qkv = _product(x, attention.in_proj_weight[rows], norm=layer.norm1)
    y = step_attention(qkv, past, step)
    x = _product(y, attention.out_proj.weight[step * dim : (step + 1) * dim], plus=x)
    return _feed_forward(layer.gating[step], x, layer.norm2)


def _feed_forward(gating: GatedFeedForward, x: Tensor, norm: RMSNorm) -> Tensor:
    y = _product(x, gating.linear_in.weight, norm=norm, gated=True)
    return _product(y, gating.linear_out.weight, plus=x)


def _product(
    x: Tensor,
    weight: Tensor | ScaledWeight,
    *,
    norm: RMSNorm | None = None,
    gated: bool = False,
    plus: Tensor | Gather | None = None,
    out_dtype: torch.dtype | None = None,
) -> Tensor:
    alpha, eps = (None, 0.0) if norm is None else (norm.alpha.view(-1), norm.eps)
    scale = None
    if isinstance(weight, ScaledWeight):
        scale = weight.scale
        weight = weight.values
    return linear(
        x, weight, scale, alpha=alpha, eps=eps, gated=gated, plus=plus, out_dtype=out_dtype
    )
