"""Which block shapes make the products of a frame fastest on this GPU: see kernels/linear.block.

usage: python benchmarks/block_shapes.py [--rows 1,16,64]

Prints, for every product of the published model, the time with the shape that is chosen and with
the best ones of those tried. Shapes are compiled in parallel first. Without a GPU it says that it
did not run, and its exit status is 1.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from unittest import mock

import torch
import triton

from personaplex_ros.kernels import linear
from personaplex_ros.lm import LMConfig
from personaplex_ros.nn.packed import ScaledWeight

Shape = dict[str, Any]
ROTATED = 200 << 20  # bytes of weights that take turns, so that the GPU's cache does not hold them
REPEATS = 12
SLEEP = 300_000  # cycles, in which the launches that are timed queue up


@dataclass(frozen=True)
class Product:
    """One product of a frame: a weight [outputs, width], twice as many outputs if gated."""

    name: str
    outputs: int
    width: int
    gated: bool = False

    def calls(self, rows: int, kind: torch.dtype, copies: int) -> list[Callable[[], Any]]:
        """Return the product with each of ``copies`` random weights."""
        x = torch.randn(rows, self.width, device="cuda", dtype=torch.bfloat16)
        normed = self.name.endswith(("in", "qkv"))
        alpha = torch.ones(self.width, device="cuda") if normed else None
        plus = None if normed else torch.randn(rows, self.outputs, device="cuda", dtype=x.dtype)
        calls = []
        for _ in range(copies):
            height = self.outputs * (2 if self.gated else 1)
            weight = torch.randn(height, self.width, device="cuda", dtype=x.dtype)
            stored = ScaledWeight(weight, kind) if kind == torch.int8 else None
            values, scale = (stored.values, stored.scale) if stored else (weight, None)
            calls.append(partial(linear.linear, x, values, scale, alpha=alpha, gated=self.gated,
                                 plus=plus))  # fmt: skip
        return calls


def products(lm: LMConfig) -> list[Product]:
    return [
        product
        for prefix, dim, hidden in (("", lm.dim, lm.hidden), ("depth ", lm.depth_dim,
                                                              lm.depth_hidden))
        for product in (
            Product(f"{prefix}qkv", 3 * dim, dim), Product(f"{prefix}out", dim, dim),
            Product(f"{prefix}in", hidden, dim, gated=True), Product(f"{prefix}down", dim, hidden),
        )
    ]  # fmt: skip


def shapes(rows: int, width: int) -> Iterator[Shape]:
    """Yield what is tried."""
    wide = triton.next_power_of_2(width)
    if rows == 1:
        for n, k, warps in itertools.product((4, 8, 16), (256, 512, 1024), (4, 8)):
            if 1024 <= n * k <= 8192:
                yield {"BLOCK_M": 1, "BLOCK_N": n, "BLOCK_K": min(k, wide), "NORM_K": wide,
                       "num_warps": warps, "num_stages": 3}  # fmt: skip
        return
    for n, k, stages in itertools.product((16, 32, 64), (128, 256), (3, 4)):
        yield {"BLOCK_M": max(16, rows), "BLOCK_N": n, "BLOCK_K": k, "NORM_K": k,
               "num_warps": 4, "num_stages": stages}  # fmt: skip


def with_shape(shape: Shape) -> Any:
    return mock.patch.object(linear, "block", lambda x, weight, gated: shape)


def compile_one(job: tuple[Product, int, torch.dtype, Shape]) -> None:
    """Fill Triton's cache; a shape that needs too much memory is left to fail when it is timed."""
    product, rows, kind, shape = job
    with with_shape(shape):
        try:
            product.calls(rows, kind, 1)[0]()
        except triton.runtime.errors.OutOfResources:
            return


def microseconds(calls: list[Callable[[], Any]]) -> float:
    """Return the median time of one call."""
    times = []
    for _ in range(REPEATS + 2):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda._sleep(SLEEP)
        begin.record()
        for call in calls:
            call()
        end.record()
        end.synchronize()
        times.append(1000 * begin.elapsed_time(end) / len(calls))
    return sorted(times[2:])[REPEATS // 2]


def report(product: Product, rows: int, kind: torch.dtype) -> None:
    size = product.outputs * product.width * kind.itemsize * (2 if product.gated else 1)
    calls = product.calls(rows, kind, max(2, min(24, ROTATED // size)))
    chosen = microseconds(calls)
    tried = []
    for shape in shapes(rows, product.width):
        with with_shape(shape):
            try:
                tried.append((microseconds(calls), shape))
            except triton.runtime.errors.OutOfResources:
                continue
    tried.sort(key=lambda one: one[0])
    best = ", ".join(
        f"{time:.1f} (n {s['BLOCK_N']}, k {s['BLOCK_K']}, {s['num_warps']} warps, "
        f"{s['num_stages']} stages)"
        for time, s in tried[:3]
    )
    name = str(kind).removeprefix("torch.")
    print(f"{rows:3d} rows, {name:8s} {product.name:10s} chosen {chosen:6.1f} us, "
          f"{size / chosen / 1e3:5.0f} GB/s; best {best}", flush=True)  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", default="1,16,64", metavar="N,...")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        print("this benchmark DID NOT RUN: torch finds no CUDA device here", file=sys.stderr)
        return 1
    cases = [
        (product, rows, kind)
        for rows in map(int, arguments.rows.split(","))
        for kind in (torch.bfloat16, torch.int8)
        for product in products(LMConfig())
    ]
    jobs = [(p, rows, kind, s) for p, rows, kind in cases for s in shapes(rows, p.width)]
    with multiprocessing.get_context("spawn").Pool(min(16, os.cpu_count() or 1)) as pool:
        pool.map(compile_one, jobs, chunksize=4)
    for case in cases:
        report(*case)
    return 0


if __name__ == "__main__":
    sys.exit(main())
