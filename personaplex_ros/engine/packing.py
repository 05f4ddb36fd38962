"""How the weights of a model are stored for the device that multiplies them."""

from __future__ import annotations

import importlib.util
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
    ScaledWeight,
    available,
)

CPU_KINDS: dict[str, Callable[[Tensor], PackedWeight]] = {
    "float32": FloatWeight,
    "float16": HalfWeight,
    "int8": ByteWeight,
}
GPU_KINDS = {"int8": torch.int8, "float8": torch.float8_e4m3fn}
FLOAT8_CAPABILITY = (8, 9)  # of NVIDIA GPUs, from Ada and Hopper on
Convolution = CausalConv1d | CausalConvTranspose1d
READ = 1 << 16  # elements from which a convolution of a frame takes as long as reading its kernels


def pack(model: nn.Module, weights: str) -> None:
    """Store weights of linear layers and large kernels packed for a CPU, the rest in float32."""
    kind = CPU_KINDS[weights]

    def packed(weight: Any) -> PackedWeight:
        return kind(weight.detach().float())

    for module in model.modules():
        if isinstance(module, Convolution) and module.matrix.numel() >= READ:
            module.packed = packed(module.matrix)
    _pack_linear(model, packed)
    model.float()


def scale(model: nn.Module, weights: str, device: torch.device) -> None:
    """Store the weights of linear layers in 8 bits on a GPU, and take the rest there as it is.

    One weight after the other: a model that is mapped from its file never needs room for more.
    """
    dtype = GPU_KINDS[weights]
    _pack_linear(model, lambda weight: ScaledWeight(weight.detach().to(device), dtype))
    model.to(device)


def _pack_linear(model: nn.Module, packed: Callable[[Any], PackedWeight]) -> None:
    for module in model.modules():
        if isinstance(module, StepAttention):
            for owner, name in ((module, "in_proj_weight"), (module.out_proj, "weight")):
                parts = cast(Tensor, getattr(owner, name)).chunk(module.steps)
                _replace(owner, name, PackedBlocks([packed(part) for part in parts]))
        elif isinstance(module, RingAttention):
            _replace(module, "in_proj_weight", packed(module.in_proj_weight))
        elif isinstance(module, nn.Linear) and isinstance(module.weight, Tensor):
            _replace(module, "weight", packed(module.weight))


def check_packable(weights: str, place: torch.device, dtype: str) -> None:
    """Raise ValueError where weights cannot be stored so on a device, or used with a dtype."""
    if place.type == "cuda":
        _check_scalable(weights, place)
        return
    kinds = [kind for kind in CPU_KINDS if kind != "float32"]
    if weights not in kinds:
        raise ValueError(f"weights is {weights!r}; on a CPU it must be one of {', '.join(kinds)}")
    if place.type != "cpu" or not available():
        raise ValueError(
            f"weights can be stored in {weights} on x86 CPUs with FBGEMM only, not on {place} "
            "here; leave weights out"
        )
    if dtype != "float32":
        raise ValueError(f"weights {weights} go with dtype float32, not {dtype}; leave dtype out")


def _check_scalable(weights: str, place: torch.device) -> None:
    if weights not in GPU_KINDS:
        raise ValueError(
            f"weights is {weights!r}; on a GPU it must be one of {', '.join(GPU_KINDS)}"
        )
    if importlib.util.find_spec("triton") is None:
        raise ValueError(
            f"weights {weights} on a GPU need Triton: `pip install triton`, or leave weights out"
        )
    capability = torch.cuda.get_device_capability(place)
    if weights == "float8" and capability < FLOAT8_CAPABILITY:
        raise ValueError(
            f"{torch.cuda.get_device_name(place)} has no float8; take weights int8, which need as "
            "many bytes"
        )


def _replace(owner: nn.Module, name: str, weight: PackedWeight | PackedBlocks) -> None:
    delattr(owner, name)
    setattr(owner, name, weight)
