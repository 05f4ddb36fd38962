"""The language model over whole conversations at once, as training needs it.

Inference takes a step a frame and eight steps a column; here all frames pass through the temporal
transformer together, and all eight depth steps through the depth transformer. Both give the same
logits (tested).
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from personaplex_ros.lm import LanguageModel
from personaplex_ros.lm.depth import DepthLayer
from personaplex_ros.lm.model import lookup
from personaplex_ros.lm.temporal import ring_spec
from personaplex_ros.nn.attention import rotate, rotation


def temporal(model: LanguageModel, columns: Tensor, positions: Tensor) -> list[Tensor]:
    """Return what each temporal layer hands on, [B, T, D], for columns int64 [B, T, rows].

    ``model.out_norm`` of the last is what the heads see. ``positions`` int64 [B, T] are what the
    rotary embedding sees; they increase within a row and stay within the context.
    """
    return from_embedded(model, model.embed(columns), positions)


def from_embedded(model: LanguageModel, x: Tensor, positions: Tensor) -> list[Tensor]:
    """Return the same for columns that are embedded, [B, T, D]."""
    turn = rotation(positions, ring_spec(model.config))
    # Where there is a GPU: its kernel for float32 takes several times as long.
    attended = torch.bfloat16 if x.is_cuda else x.dtype
    handed_on = []
    for layer in model.transformer.layers:
        attention = layer.self_attn
        qkv = F.linear(layer.norm1(x), attention.in_proj_weight)
        qkv = qkv.unflatten(-1, (3, attention.heads, -1)).permute(2, 0, 3, 1, 4)
        q, k, v = (part.to(attended) for part in (*rotate(qkv[:2], turn), qkv[2]))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True).to(x.dtype)
        x = x + attention.out_proj(y.transpose(1, 2).flatten(2))
        x = x + layer.gating(layer.norm2(x))
        handed_on.append(x)
    return handed_on


def depth(model: LanguageModel, hidden: Tensor, tokens: Tensor) -> Tensor:
    """Return logits [N, codebooks, cardinality] for N columns.

    hidden [N, D]; tokens int64 [N, codebooks]: the text token and all codes but the last.
    """
    steps = tokens.shape[1]
    tables = [model.depformer_text_emb, *model.depformer_emb]
    embedded = [lookup(table, tokens[:, step]) for step, table in enumerate(tables[:steps])]
    inputs = stacked(model.depformer_in)[:steps]
    x = torch.einsum("nd,sed->sne", hidden, inputs) + torch.stack(embedded)  # [steps, N, d]
    for layer in model.depformer.layers:
        x = _depth_layer(layer, x)
    heads = stacked(model.linears)[:steps]
    return torch.bmm(x, heads.transpose(1, 2)).transpose(0, 1)


def stacked(modules: Iterable[nn.Linear]) -> Tensor:
    """Return the weights of linear layers of one shape as one tensor."""
    return torch.stack([module.weight for module in modules])


def _depth_layer(layer: DepthLayer, x: Tensor) -> Tensor:
    """Apply a layer to x [steps, N, d], each step with its own weights."""
    attention, steps, dim = layer.self_attn, x.shape[0], x.shape[2]
    packed = attention.in_proj_weight.unflatten(0, (-1, 3 * dim))[:steps]
    qkv = torch.bmm(layer.norm1(x), packed.transpose(1, 2))
    q, k, v = qkv.unflatten(-1, (3, attention.heads, -1)).permute(2, 1, 3, 0, 4)  # [N, H, S, d]
    # So few steps are faster without the fused kernel.
    later = torch.ones(steps, steps, dtype=torch.bool, device=x.device).triu(1)
    scores = (q @ k.transpose(2, 3)) / math.sqrt(q.shape[-1])
    y = scores.masked_fill(later, -torch.inf).softmax(-1) @ v
    out = attention.out_proj.weight.unflatten(0, (-1, dim))[:steps]
    x = x + torch.bmm(y.permute(2, 0, 1, 3).flatten(2), out.transpose(1, 2))
    gate_in = stacked([gate.linear_in for gate in layer.gating])[:steps]
    gate_out = stacked([gate.linear_out for gate in layer.gating])[:steps]
    gate, value = torch.bmm(layer.norm2(x), gate_in.transpose(1, 2)).chunk(2, dim=-1)
    return x + torch.bmm(F.silu(gate) * value, gate_out.transpose(1, 2))
