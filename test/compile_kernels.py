"""Compile the kernels for a GPU that need not be there: python compile_kernels.py 90.

Prints a line for each, with the word "spilled" where registers did not suffice.
"""

from __future__ import annotations

import sys
from typing import Any

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from personaplex_ros.kernels import attention, linear, sampling

TARGET = GPUTarget("cuda", int(sys.argv[1]), 32)
FLOAT8_FROM = 89


def compiled(kernel: Any, constants: dict[str, Any], types: dict[str, str], **options: int) -> None:
    """Compile one kernel with these constants; parameters of no given type are int32."""
    signature = {name: "constexpr" if name in constants else types.get(name, "i32")
                 for name in kernel.arg_names}  # fmt: skip
    source = ASTSource(fn=kernel, signature=signature, constexprs=constants)
    result = triton.compile(source, target=TARGET, options=options)
    spilled = "spilled" if ".local" in result.asm["ptx"] else "fits"
    print(f"{kernel.fn.__name__} {constants} {types} {spilled}")


def compile_linear(stored: str, rows: int, gated: bool, plus: str, normed: bool) -> None:
    """Compile the product for weights of one type and one use."""
    types = dict.fromkeys(("x", "plus", "out"), "*bf16") | {
        "weight": stored, "scale": "*fp32", "alpha": "*fp32", "ids": "*i64", "eps": "fp32",
    }  # fmt: skip
    scaled = stored != "*bf16"
    constants: dict[str, Any] = {"SCALED": scaled, "NORMED": normed, "GATED": gated, "PLUS": plus,
                                 "BLOCK_M": rows, "BLOCK_N": 16 if rows == 1 else 32,
                                 "BLOCK_K": 512 if rows == 1 else 128,
                                 "NORM_K": 4096 if rows == 1 else 128}  # fmt: skip
    unused = {"scale": not scaled, "alpha": not normed, "plus": not plus, "ids": plus != "gather"}
    compiled(linear._linear, constants | {k: None for k, v in unused.items() if v}, types)


def main() -> None:
    kinds = ["*bf16", "*i8"] + ["*fp8e4nv"] * (int(sys.argv[1]) >= FLOAT8_FROM)
    for stored in kinds:
        for rows in (1, 16, 64):
            compile_linear(stored, rows, gated=True, plus="", normed=True)
            compile_linear(stored, rows, gated=False, plus="row", normed=False)
    compile_linear("*bf16", 1, gated=False, plus="gather", normed=False)
    tensors = dict.fromkeys(("partial", "largest", "total", "turn"), "*fp32")
    for number, length, head_dim in (("*bf16", 1, 128), ("*fp32", 2, 64)):
        types = tensors | dict.fromkeys(("qkv", "keys", "values", "out"), number) | {
            "position": "*i64", "row_stride": "i64", "scale": "fp32",
        }  # fmt: skip
        shape = {"D": head_dim, "PADDED": head_dim, "T": length, "CHUNK": attention.CHUNK}
        compiled(attention._attend, shape | {"BLOCK": attention.BLOCK}, types)
        compiled(attention._combine, shape | {"CHUNKS": 32}, types)
    types = dict.fromkeys(("qkv", "past", "out"), "*bf16") | {
        "kind_stride": "i64", "row_stride": "i64", "scale": "fp32",
    }  # fmt: skip
    steps = {"STEP": 3, "D": 64, "PADDED": 64, "STEPS": 8}
    compiled(attention._attend_steps, steps, types, num_warps=1)
    types = dict.fromkeys(("logits", "temperature", "noise"), "*fp32") | dict.fromkeys(
        ("top_k", "forced", "out"), "*i64"
    ) | {"noise_stride": "i64", "forced_stride": "i64"}  # fmt: skip
    compiled(sampling._choose, {"BLOCK": 2048}, types, num_warps=8)


if __name__ == "__main__":
    main()
