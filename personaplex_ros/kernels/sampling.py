"""The choice of a code in one kernel: sort, cut at top-k, add noise, take the largest."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

LARGEST = 4096  # logits that one program can sort


def choose(
    logits: Tensor,
    temperature: Tensor,
    top_k: Tensor,
    noise: Tensor,
    peak: Tensor,
    number: int,
    forced: Tensor,
) -> Tensor:
    """Return ids int64 [B] chosen from logits float32 [B, V], or what is forced.

    ``temperature`` float32 [B, 1], ``top_k`` int64 [B, 1], ``noise`` float32 [B, draws, ranks] and
    ``peak`` float32 [B, draws], of which draw ``number`` counts, are those of
    ``lm.sampling.choose``, with the same result.
    ``forced`` int64 [B] wins where it is not ``lm.grid.UNSET``, which is below -1.
    """
    rows, size = logits.shape
    if size > LARGEST:
        raise ValueError(f"{size} logits; this kernel sorts at most {LARGEST}")
    out = torch.empty(rows, dtype=torch.int64, device=logits.device)
    _choose[(rows,)](
        logits, temperature, top_k, noise[:, number], peak[:, number], forced, out,
        size, noise.shape[2], noise.stride(0), peak.stride(0), forced.stride(0),
        BLOCK=triton.next_power_of_2(size), num_warps=8,
    )  # fmt: skip
    return out


@triton.jit
def _choose(
    logits, temperature, top_k, noise, peak, forced, out,
    size, ranks, noise_stride, peak_stride, forced_stride,
    BLOCK: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0)
    place = tl.arange(0, BLOCK)
    value = tl.load(logits + row * size + place, mask=place < size, other=-float("inf"))
    top = tl.max(tl.where(value != value, float("inf"), value), 0)
    tl.store(peak + row * peak_stride, top)
    bits = value.to(tl.int32, bitcast=True)
    order = bits ^ ((bits >> 31) & 0x7FFFFFFF)  # sorts as integers like the floats do
    key = (order.to(tl.int64) << 32) | (BLOCK - 1 - place).to(tl.int64)  # of equals the first
    key = tl.sort(key, descending=True)
    order = (key >> 32).to(tl.int32)
    bits = order ^ ((order >> 31) & 0x7FFFFFFF)
    value = bits.to(tl.float32, bitcast=True)
    kept = tl.minimum(tl.load(top_k + row), tl.minimum(ranks, size))
    score = value / tl.load(temperature + row)
    score += tl.load(noise + row * noise_stride + place, mask=place < ranks, other=0.0)
    score = tl.where(place < kept, score, -float("inf"))
    best = tl.argmax(score, 0)
    id = BLOCK - 1 - (tl.sum(tl.where(place == best, key, 0), 0) & 0xFFFFFFFF)
    given = tl.load(forced + row * forced_stride)
    tl.store(out + row, tl.where(given >= -1, given, id))
