"""Compile the kernels for a GPU that need not be there: python compile_kernels.py 90.

Prints a line for each, with the word "spilled" where registers or shared memory did not suffice.
"""

from __future__ import annotations

import sys
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from personaplex_ros.kernels import attention, linear, sampling

TARGET = GPUTarget("cuda", int(sys.argv[1]), 32)
FLOAT8_FROM = 89
STORED = {"bf16": torch.bfloat16, "i8": torch.int8, "fp8e4nv": torch.float8_e4m3fn}
WIDTH = 4096


def compiled(kernel: Any, constants: dict[str, Any], types: dict[str, str], **options: int) -> None:
    """Compile one kernel with these constants; parameters of no given type are int32."""
    signature = {name: "constexpr" if name in constants else types.get(name, "i32")
                 for name in kernel.arg_names}  # fmt: skip
    source = ASTSource(fn=kernel, signature=signature, constexprs=constants)
    result = triton.compile(source, target=TARGET, options=options)
    spilled = "spilled" if ".local" in result.asm["ptx"] else "fits"
    if result.metadata.shared > linear.SMALLEST_SHARED_MEMORY:
        spilled = f"spilled: {result.metadata.shared} bytes of shared memory"
    print(f"{kernel.fn.__name__} {constants} {types} {spilled}")


def compile_linear(
    stored: str,
    rows: int,
    outputs: int,
    *,
    gated: bool = False,
    plus: str = "",
    normed: bool = False,
) -> None:
    """Compile the product for weights of one type and one use."""
    types = dict.fromkeys(("x", "plus", "out"), "*bf16") | {
        "weight": f"*{stored}", "scale": "*fp32", "alpha": "*fp32", "ids": "*i64", "eps": "fp32",
    }  # fmt: skip
    scaled = stored != "bf16"
    x = torch.empty(rows, WIDTH, dtype=torch.bfloat16, device="meta")
    weight = torch.empty(outputs, WIDTH, dtype=STORED[stored], device="meta")
    shape = linear.block(x, weight, gated)
    options = {name: shape.pop(name) for name in ("num_warps", "num_stages")}
    constants = {"SCALED": scaled, "NORMED": normed, "GATED": gated, "PLUS": plus, **shape}
    unused = {"scale": not scaled, "alpha": not normed, "plus": not plus, "ids": plus != "gather"}
    absent = {name: None for name, is_unused in unused.items() if is_unused}
    compiled(linear._linear, constants | absent, types, **options)


def main() -> None:
    for stored in STORED:
        if stored == "fp8e4nv" and int(sys.argv[1]) < FLOAT8_FROM:
            continue
        for rows in (1, 16, 64):
            compile_linear(stored, rows, 22528, gated=True, normed=True)
            compile_linear(stored, rows, 4096, plus="row")
        compile_linear(stored, 1, 5632, gated=True, normed=True)
    compile_linear("bf16", 1, 1024, plus="gather")
    tensors = dict.fromkeys(("partial", "largest", "total", "turn"), "*fp32")
    variants = (("*bf16", 1, 128, False), ("*bf16", 1, 128, True), ("*fp32", 2, 64, False))
    for number, length, head_dim, pins in variants:
        types = tensors | dict.fromkeys(("qkv", "keys", "values", "out"), number) | {
            "position": "*i64", "pinned": "*i64", "row_stride": "i64", "scale": "fp32",
        }  # fmt: skip
        shape = {"D": head_dim, "PADDED": head_dim, "T": length, "CHUNK": attention.CHUNK}
        ours = shape | {"BLOCK": attention.BLOCK, "PINS": pins} | ({} if pins else {"pinned": None})
        compiled(attention._attend, ours, types)
        compiled(attention._combine, shape | {"CHUNKS": 32}, types)
    types = dict.fromkeys(("qkv", "past", "out"), "*bf16") | {
        "kind_stride": "i64", "row_stride": "i64", "scale": "fp32",
    }  # fmt: skip
    steps = {"STEP": 3, "D": 64, "PADDED": 64, "STEPS": 8}
    compiled(attention._attend_steps, steps, types, num_warps=1)
    types = dict.fromkeys(("logits", "temperature", "noise", "peak"), "*fp32") | dict.fromkeys(
        ("top_k", "forced", "out"), "*i64"
    ) | {"noise_stride": "i64", "peak_stride": "i64", "forced_stride": "i64"}  # fmt: skip
    compiled(sampling._choose, {"BLOCK": 2048}, types, num_warps=8)


if __name__ == "__main__":
    main()
