"""Attention of the newest positions of a conversation over what it remembers, for few positions.

The rotation of queries and keys and their entry into the cache belong to the same kernel. Each row
of a batch reads as much of its ring as it has filled, and finds that out on the GPU: no mask is
built, and nothing depends on a number that the host would have to know.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

CHUNK = 128  # ring entries that one program reads
BLOCK = 32  # of which it holds so many at a time


def ring_attention(
    qkv: Tensor,
    keys: Tensor,
    values: Tensor,
    turn: Tensor,
    position: Tensor,
    block: int,
    pinned: Tensor | None = None,
) -> Tensor:
    """Enter T positions into the ring and attend from them: the output is [B, T, heads * head_dim].

    qkv [B, T, 3 * heads * head_dim] is not rotated yet; ``keys`` and ``values`` are [B, heads,
    window, head_dim], ``turn`` complex64 [B, 1, T, head_dim / 2], ``position`` int64 [B] that of
    the first. The T positions are one block of ``nn.attention.RingSpec``. The same as
    ``nn.attention.RingAttention`` does between its two products. With ``pinned`` int64 [B], the
    first positions that stay (``nn.pin``), T is 1, and ``turn`` [2 * B, ...] has behind the others
    the rotations of the queries for them.
    """
    batch, heads, window, head_dim = keys.shape
    length = qkv.shape[1]
    if length != block or (pinned is not None and block != 1):
        kept = "" if pinned is None else ", of 1 where positions are pinned"
        raise ValueError(
            f"{length} positions at once; this kernel takes one block of {block}{kept}"
        )
    chunks = triton.cdiv(window, CHUNK)
    out = torch.empty(batch, length, heads * head_dim, dtype=qkv.dtype, device=qkv.device)
    shape = (batch, heads, chunks, length)
    partial = torch.empty(*shape, head_dim, dtype=torch.float32, device=qkv.device)
    largest, total = torch.empty(2, *shape, dtype=torch.float32, device=qkv.device)
    padded = triton.next_power_of_2(head_dim)
    _attend[(batch * heads, chunks)](
        qkv, keys, values, torch.view_as_real(turn), position, pinned, partial, largest, total,
        batch, heads, window, keys.stride(0), head_dim**-0.5,
        D=head_dim, PADDED=padded, T=length, CHUNK=CHUNK, BLOCK=BLOCK, PINS=pinned is not None,
    )  # fmt: skip
    _combine[(batch * heads, length)](
        partial, largest, total, position, out, heads, window, chunks,
        D=head_dim, PADDED=padded, T=length, CHUNK=CHUNK,
        CHUNKS=triton.next_power_of_2(chunks),
    )  # fmt: skip
    return out


def step_attention(qkv: Tensor, past: Tensor, step: int) -> Tensor:
    """Enter step ``step`` of a frame and attend to the steps until there: [B, heads * head_dim].

    qkv is [B, 3 * heads * head_dim], ``past`` [2, B, heads, steps, head_dim]. The same as
    ``lm.depth.StepAttention`` does between its two products.
    """
    _, batch, heads, steps, head_dim = past.shape
    out = torch.empty(batch, heads * head_dim, dtype=qkv.dtype, device=qkv.device)
    _attend_steps[(batch * heads,)](
        qkv, past, out, heads, steps, past.stride(0), past.stride(1), head_dim**-0.5,
        STEP=step, D=head_dim, PADDED=triton.next_power_of_2(head_dim),
        STEPS=triton.next_power_of_2(steps), num_warps=1,
    )  # fmt: skip
    return out


@triton.jit
def _rotated(vector, turn, d, inside):
    """Load a vector and rotate its interleaved pairs; turn holds cosine and sine of each pair."""
    own = tl.load(vector + d, mask=inside, other=0.0).to(tl.float32)
    other = tl.load(vector + (d ^ 1), mask=inside, other=0.0).to(tl.float32)
    pair = d // 2 * 2
    cosine = tl.load(turn + pair, mask=inside, other=0.0)
    sine = tl.load(turn + pair + 1, mask=inside, other=0.0)
    return own * cosine + tl.where(d % 2 == 0, -other, other) * sine


@triton.jit
def _attend(
    qkv, keys, values, turn, position, pinned, partial, largest, total,
    batch, heads, window, row_stride, scale,
    D: tl.constexpr, PADDED: tl.constexpr, T: tl.constexpr,
    CHUNK: tl.constexpr, BLOCK: tl.constexpr, PINS: tl.constexpr,
):  # fmt: skip
    row, head = tl.program_id(0) // heads, tl.program_id(0) % heads
    begin = tl.program_id(1) * CHUNK
    first = tl.load(position + row)
    newest = first + T - 1
    if begin > newest:  # nothing has been written there yet
        return
    kept = tl.load(pinned + row) if PINS else 0  # entries that the ring goes round behind
    turning = window - kept
    d = tl.arange(0, PADDED)
    inside = d < D
    dtype = keys.dtype.element_ty
    width = heads * D
    here = qkv + row.to(tl.int64) * T * 3 * width + head * D
    angle = turn + row * T * D
    ring = row.to(tl.int64) * row_stride + head * window * D

    for t in tl.static_range(T):
        entry = (kept + (first + t - kept) % turning).to(tl.int32)
        if (entry >= begin) & (entry < begin + CHUNK):
            new = here + t * 3 * width
            key = _rotated(new + width, angle + t * D, d, inside)
            value = tl.load(new + 2 * width + d, mask=inside, other=0.0)
            tl.store(keys + ring + entry * D + d, key.to(dtype), mask=inside)
            tl.store(values + ring + entry * D + d, value.to(dtype), mask=inside)
    tl.debug_barrier()  # the entries are read below by other threads of this program

    # Of all that is in the ring, what this block may see.
    oldest = tl.maximum(newest + 1 - turning, kept)
    for t in tl.static_range(T):
        query = _rotated(here + t * 3 * width, angle + t * D, d, inside).to(dtype).to(tl.float32)
        if PINS:
            from_afar = _rotated(here, angle + batch * D, d, inside).to(dtype).to(tl.float32)
        top = -float("inf")
        mass = 0.0
        sums = tl.zeros([PADDED], tl.float32)
        for offset in range(0, CHUNK, BLOCK):
            index = begin + offset + tl.arange(0, BLOCK)
            age = (newest - index) % turning
            held = tl.where(index < kept, index, newest - age)
            seen = (index < window) & (held <= first + t) & ((held >= oldest) | (index < kept))
            place = ring + index[:, None] * D + d[None, :]
            mask = seen[:, None] & inside[None, :]
            key = tl.load(keys + place, mask=mask, other=0.0).to(tl.float32)
            if PINS:
                queries = tl.where((index < kept)[:, None], from_afar[None, :], query[None, :])
                score = tl.sum(key * queries, 1) * scale
            else:
                score = tl.sum(key * query[None, :], 1) * scale
            score = tl.where(seen, score, -float("inf"))
            higher = tl.maximum(top, tl.max(score, 0))
            safe = tl.where(higher == -float("inf"), 0.0, higher)
            weight = tl.exp(score - safe)
            shrink = tl.exp(top - safe)
            value = tl.load(values + place, mask=mask, other=0.0).to(tl.float32)
            sums = sums * shrink + tl.sum(value * weight[:, None], 0)
            mass = mass * shrink + tl.sum(weight, 0)
            top = higher
        slot = (tl.program_id(0) * tl.num_programs(1) + tl.program_id(1)) * T + t
        tl.store(partial + slot.to(tl.int64) * D + d, sums, mask=inside)
        tl.store(largest + slot, top)
        tl.store(total + slot, mass)


@triton.jit
def _combine(
    partial, largest, total, position, out, heads, window, chunks,
    D: tl.constexpr, PADDED: tl.constexpr, T: tl.constexpr, CHUNK: tl.constexpr,
    CHUNKS: tl.constexpr,
):  # fmt: skip
    row, head = tl.program_id(0) // heads, tl.program_id(0) % heads
    t = tl.program_id(1)
    filled = tl.minimum(tl.load(position + row) + T, window)
    chunk = tl.arange(0, CHUNKS)
    used = (chunk < chunks) & (chunk * CHUNK < filled)
    d = tl.arange(0, PADDED)
    slot = (tl.program_id(0) * chunks + chunk) * T + t
    top = tl.load(largest + slot, mask=used, other=-float("inf"))
    share = tl.exp(top - tl.max(top, 0))
    mass = tl.sum(tl.load(total + slot, mask=used, other=0.0) * share, 0)
    mask = used[:, None] & (d < D)[None, :]
    parts = tl.load(partial + slot[:, None].to(tl.int64) * D + d[None, :], mask=mask, other=0.0)
    y = tl.sum(parts * share[:, None], 0) / mass
    place = out + (row.to(tl.int64) * T + t) * heads * D + head * D + d
    tl.store(place, y.to(out.dtype.element_ty), mask=d < D)


@triton.jit
def _attend_steps(
    qkv, past, out, heads, steps, kind_stride, row_stride, scale,
    STEP: tl.constexpr, D: tl.constexpr, PADDED: tl.constexpr, STEPS: tl.constexpr,
):  # fmt: skip
    row, head = tl.program_id(0) // heads, tl.program_id(0) % heads
    d = tl.arange(0, PADDED)
    inside = d < D
    width = heads * D
    here = qkv + row.to(tl.int64) * 3 * width + head * D + d
    query = tl.load(here, mask=inside, other=0.0).to(tl.float32)
    key = tl.load(here + width, mask=inside, other=0.0)
    value = tl.load(here + 2 * width, mask=inside, other=0.0)
    keys = past + row.to(tl.int64) * row_stride + head * steps * D
    values = keys + kind_stride
    tl.store(keys + STEP * D + d, key.to(past.dtype.element_ty), mask=inside)
    tl.store(values + STEP * D + d, value.to(past.dtype.element_ty), mask=inside)
    step = tl.arange(0, STEPS)
    place = step[:, None] * D + d[None, :]
    earlier = (step < STEP)[:, None] & inside[None, :]
    newest = (step == STEP)[:, None] & inside[None, :]
    k = tl.load(keys + place, mask=earlier, other=0.0).to(tl.float32)
    k = tl.where(newest, key.to(tl.float32)[None, :], k)
    v = tl.load(values + place, mask=earlier, other=0.0).to(tl.float32)
    v = tl.where(newest, value.to(tl.float32)[None, :], v)
    score = tl.where(step <= STEP, tl.sum(k * query[None, :], 1) * scale, -float("inf"))
    weight = tl.exp(score - tl.max(score, 0))
    y = tl.sum(v * weight[:, None], 0) / tl.sum(weight, 0)
    tl.store(out + row.to(tl.int64) * width + head * D + d, y.to(out.dtype.element_ty), mask=inside)
