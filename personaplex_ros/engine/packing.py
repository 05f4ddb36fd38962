"""How the weights of a model are stored for a CPU; a GPU multiplies the tensors as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from personaplex_ros.lm.depth import StepAttention
from personaplex_ros.nn.attention import RingAttention
from personaplex_ros.nn.conv import CausalConv1d, CausalConvTranspose1d
from personaplex_ros.nn.packed import (
    ByteWeight,
    FloatWeight,
    HalfWeight,
    PackedBlocks,
    PackedWeight,
    available,
)

KINDS: dict[str, Callable[[Tensor], PackedWeight]] = {
    "float32": FloatWeight,
    "float16": HalfWeight,
    "int8": ByteWeight,
}
Convolution = CausalConv1d | CausalConvTranspose1d
READ = 1 << 16  # elements from which a convolution of a frame takes as long as reading its kernels


def pack(model: nn.Module, weights: str) -> None:
    """Store the weights of linear layers and large kernels packed, what remains in float32."""
    kind = KINDS[weights]

    def packed(weight: Any) -> PackedWeight:
        return kind(weight.detach().float())

    for module in model.modules():
        if isinstance(module, StepAttention):
            for owner, name in ((module, "in_proj_weight"), (module.out_proj, "weight")):
                parts = cast(Tensor, getattr(owner, name)).chunk(module.steps)
                _replace(owner, name, PackedBlocks([packed(part) for part in parts]))
        elif isinstance(module, RingAttention):
            _replace(module, "in_proj_weight", packed(module.in_proj_weight))
        elif isinstance(module, Convolution) and module.matrix.numel() >= READ:
            module.packed = packed(module.matrix)
        elif isinstance(module, nn.Linear) and isinstance(module.weight, Tensor):
            _replace(module, "weight", packed(module.weight))
    model.float()


def check_packable(weights: str, place: torch.device, dtype: str) -> None:
    """Raise ValueError where weights cannot be stored so on a device, or used with a dtype."""
    kinds = [kind for kind in KINDS if kind != "float32"]
    if weights not in kinds:
        raise ValueError(f"weights is {weights!r}; it must be one of {', '.join(kinds)}")
    if place.type != "cpu" or not available():
        raise ValueError(
            f"weights can be stored in {weights} on x86 CPUs with FBGEMM only, not on {place} "
            "here; leave weights out"
        )
    if dtype != "float32":
        raise ValueError(f"weights {weights} go with dtype float32, not {dtype}; leave dtype out")


def _replace(owner: nn.Module, name: str, weight: PackedWeight | PackedBlocks) -> None:
    delattr(owner, name)
    setattr(owner, name, weight)
