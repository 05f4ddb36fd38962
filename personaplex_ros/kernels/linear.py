"""One linear layer for few rows, with the norm before it and the sum after it in the same kernel.

Such a product takes as long as reading the weight, so every weight is read once, in the bytes
that it is stored in, and nothing else goes through memory twice. Weights may be float32, bfloat16
or float16, or int8 or float8 with a scale for each output (W8A16); sums are float32.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

SMALLEST_SHARED_MEMORY = 99 << 10  # of the GPUs that take part, bytes a program
TALLEST = 64  # rows of x that one program takes; for more, weights are read again


@dataclass(frozen=True)
class Gather:
    """What is added to row m of a product: row ids[m] of a table [ids, N]; nothing for ids < 0."""

    table: Tensor
    ids: Tensor  # int64 [M]


def linear(
    x: Tensor,
    weight: Tensor,
    scale: Tensor | None = None,
    *,
    alpha: Tensor | None = None,
    eps: float = 0.0,
    gated: bool = False,
    plus: Tensor | Gather | None = None,
    out_dtype: torch.dtype | None = None,
) -> Tensor:
    """Return norm(x) W^T + plus, [M, N], for x [M, K].

    ``weight`` is [N, K], multiplied by ``scale`` float32 [N] if given. ``alpha`` float32 [K] asks
    for the root-mean-square norm of x first, with ``eps`` (``nn.norm.RMSNorm``). ``gated`` takes
    weight as [2 N, K] and returns silu(first half) * second half (``nn.gating``).
    """
    rows, width = x.shape
    outputs = weight.shape[0] // (2 if gated else 1)
    for name, tensor in (("x", x), ("weight", weight)):
        if not tensor.is_contiguous():
            raise ValueError(f"{name} must be contiguous")
    out = torch.empty(rows, outputs, dtype=out_dtype or x.dtype, device=x.device)
    table, ids = (plus.table, plus.ids) if isinstance(plus, Gather) else (plus, None)
    shape = block(x, weight, gated)
    _linear[(triton.cdiv(outputs, shape["BLOCK_N"]), triton.cdiv(rows, shape["BLOCK_M"]))](
        x, weight, scale, alpha, table, ids, out,
        rows, outputs, width, eps,
        SCALED=scale is not None,
        NORMED=alpha is not None,
        GATED=gated,
        PLUS="" if table is None else "row" if ids is None else "gather",
        **shape,
    )  # fmt: skip
    return out


def block(x: Tensor, weight: Tensor, gated: bool) -> dict[str, Any]:
    """Return the shape of one program's work, as was fastest on an H100 (docs/performance.md)."""
    rows, size = len(x), weight.element_size()
    narrow = len(weight) < (16384 if gated else 8192)
    block_m = 1 if rows == 1 else min(max(16, triton.next_power_of_2(rows)), TALLEST)
    warps, stages = 4, 3
    if rows == 1:
        block_n, block_k = 8 if narrow else 16, 512
        if size == 1 and narrow and not gated:
            block_k = 1024
        if size == 1 and not narrow:
            warps = 8
    elif size > 2:
        block_n, block_k = 16 if narrow else 32, 128
    elif block_m == TALLEST and not narrow:
        block_n, block_k = 64 if size > 1 else 32, 128
    elif not narrow:
        block_n, block_k = 32, 128 if size > 1 and gated else 256
    else:
        block_n, block_k, stages = 32, 256, 4
    width = triton.next_power_of_2(weight.shape[1])
    block_k = max(16, min(block_k, width))
    if rows > 1:  # then a stage is a copy in shared memory
        held = block_m * x.element_size() + block_n * size * (2 if gated else 1)
        stages = max(1, min(stages, _shared_memory(x.device) // (block_k * held)))
    return {
        "BLOCK_M": block_m,
        "BLOCK_N": block_n,
        "BLOCK_K": block_k,
        "NORM_K": max(16, width) if rows == 1 else block_k,
        "num_warps": warps,
        "num_stages": stages,
    }


@functools.cache
def _shared_memory(device: torch.device) -> int:
    """Return the bytes that one program may hold."""
    if device.type != "cuda":  # it is interpreted
        return SMALLEST_SHARED_MEMORY
    number = torch.cuda.current_device() if device.index is None else device.index
    return int(triton.runtime.driver.active.utils.get_device_properties(number)["max_shared_mem"])


@triton.jit
def _tile(weight, offsets, mask):
    """Load weights; int8 becomes float32, others stay as they are."""
    tile = tl.load(weight + offsets, mask=mask, other=0.0, eviction_policy="evict_first")
    if tile.dtype == tl.int8:
        # The byte, its sign turned over, as the last of 2^23 in float32: exact, and unlike the
        # conversion instruction done at the full rate of the arithmetic.
        bits = tile.to(tl.uint8, bitcast=True).to(tl.uint32) ^ 0x4B000080
        tile = bits.to(tl.float32, bitcast=True) - 8388736.0
    return tile


@triton.jit
def _linear(
    x, weight, scale, alpha, plus, ids, out,
    rows, outputs, width, eps,
    SCALED: tl.constexpr, NORMED: tl.constexpr, GATED: tl.constexpr, PLUS: tl.constexpr,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr, NORM_K: tl.constexpr,
):  # fmt: skip
    m = tl.program_id(1) * BLOCK_M + tl.arange(0, BLOCK_M)
    n = tl.program_id(0) * BLOCK_N + tl.arange(0, BLOCK_N)
    k = tl.arange(0, BLOCK_K)
    m_in, n_in = m < rows, n < outputs
    dtype = x.dtype.element_ty
    start_x = m[:, None] * width + k[None, :]
    start_w = n[:, None].to(tl.int64) * width + k[None, :]
    second = outputs.to(tl.int64) * width  # where the other half of a gated weight begins

    inverse = tl.full([BLOCK_M], 1.0, tl.float32)
    if NORMED:
        wide = tl.arange(0, NORM_K)
        squares = tl.zeros([BLOCK_M, NORM_K], tl.float32)
        for begin in range(0, width, NORM_K):
            inside = m_in[:, None] & (begin + wide < width)[None, :]
            place = m[:, None] * width + begin + wide[None, :]
            part = tl.load(x + place, mask=inside, other=0.0).to(tl.float32)
            squares += part * part
        inverse = tl.rsqrt(tl.sum(squares, 1) / width + eps)

    if BLOCK_M == 1:
        sums = tl.zeros([BLOCK_N, BLOCK_K], tl.float32)
        others = tl.zeros([BLOCK_N, BLOCK_K], tl.float32)
    else:
        sums = tl.zeros([BLOCK_M, BLOCK_N], tl.float32)
        others = tl.zeros([BLOCK_M, BLOCK_N], tl.float32)
    for begin in range(0, width, BLOCK_K):
        k_in = begin + k < width
        part = tl.load(x + start_x + begin, mask=m_in[:, None] & k_in[None, :], other=0.0)
        if NORMED:
            factor = tl.load(alpha + begin + k, mask=k_in, other=0.0)
            part = (part.to(tl.float32) * inverse[:, None] * factor[None, :]).to(dtype)
        mask = n_in[:, None] & k_in[None, :]
        tile = _tile(weight, start_w + begin, mask)
        if BLOCK_M == 1:
            sums += part.to(tl.float32) * tile.to(tl.float32)
        else:
            sums = tl.dot(part, tl.trans(tile.to(dtype)), sums, input_precision="ieee")
        if GATED:
            tile = _tile(weight, start_w + begin + second, mask)
            if BLOCK_M == 1:
                others += part.to(tl.float32) * tile.to(tl.float32)
            else:
                others = tl.dot(part, tl.trans(tile.to(dtype)), others, input_precision="ieee")

    if BLOCK_M == 1:
        y = tl.sum(sums, 1)[None, :]
        gate = tl.sum(others, 1)[None, :]
    else:
        y = sums
        gate = others
    if SCALED:
        y *= tl.load(scale + n, mask=n_in, other=0.0)[None, :]
    if GATED:
        if SCALED:
            gate *= tl.load(scale + outputs + n, mask=n_in, other=0.0)[None, :]
        y = y * tl.sigmoid(y) * gate
    inside = m_in[:, None] & n_in[None, :]
    place = m[:, None] * outputs + n[None, :]
    if PLUS == "row":
        y += tl.load(plus + place, mask=inside, other=0.0).to(tl.float32)
    if PLUS == "gather":
        row = tl.load(ids + m, mask=m_in, other=-1)
        there = row[:, None] * outputs + n[None, :]
        y += tl.load(plus + there, mask=inside & (row >= 0)[:, None], other=0.0).to(tl.float32)
    tl.store(out + place, y.to(out.dtype.element_ty), mask=inside)
