"""Weights of linear layers, stored so that few vectors are multiplied by them fast.

Such a product takes as long as reading the weight, so half the bytes take nearly half the time.
A packed weight stands where the tensor stood: ``F.linear`` finds it through torch's protocol for
other types (``__torch_function__``), so that models need not know. On a CPU, FBGEMM, a part of
torch on x86, does the work; ``available`` says whether it is there. On a GPU, the steps of
``lm.fused`` read ``ScaledWeight`` as it is.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

SHARED = 1 << 20  # elements from which a weight is worth sharing between threads
LARGEST_HALF = 65504.0
FEW = 16  # rows, up to which a product takes as long as reading the weight


def available() -> bool:
    """Return whether this CPU and this torch have FBGEMM."""
    names = ("fbgemm_pack_gemm_matrix_fp16", "fbgemm_linear_fp16_weight_fp32_activation")
    engines = torch.backends.quantized.supported_engines
    return "fbgemm" in engines and all(hasattr(torch, name) for name in names)


class PackedWeight(ABC):
    """Stands for a weight [N, K] in ``F.linear``; made from a float32 tensor."""

    def __init__(self, weight: Tensor):
        self.shape = weight.shape

    def new_zeros(self, *shape: int) -> Tensor:
        """Return zeros of the type that products with this weight have."""
        return torch.zeros(*shape)

    @classmethod
    def __torch_function__(
        cls, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Serve ``F.linear(x, weight, bias)`` with x float32 [..., K]; nothing else."""
        if function is not F.linear:
            return NotImplemented
        bias = args[2] if len(args) > 2 else (kwargs or {}).get("bias")
        return args[1].product(args[0], bias)

    @abstractmethod
    def product(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """Return x W^T + bias, [..., N]."""


class FloatWeight(PackedWeight):
    """float32, multiplied from the left: W x^T, which MKL does faster than x W^T for few rows."""

    def __init__(self, weight: Tensor):
        super().__init__(weight)
        self._weight = weight.contiguous()

    def product(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """Return x W^T + bias, [..., N]."""
        rows = x.numel() // x.shape[-1]
        if not 1 < rows <= FEW:
            return F.linear(x, self._weight, bias)
        y = (self._weight @ x.reshape(rows, -1).t()).t()
        y = y.contiguous() if bias is None else y + bias
        return y.reshape(*x.shape[:-1], -1)


class HalfWeight(PackedWeight):
    """float16, summed in float32: exact where the values are float16 already."""

    def __init__(self, weight: Tensor):
        super().__init__(weight)
        if weight.abs().max() > LARGEST_HALF:
            raise ValueError(f"a weight of {weight.abs().max():.3g} is beyond float16")
        self._shared = weight.numel() >= SHARED
        with warnings.catch_warnings():  # torch 2.13 says once that these will move
            warnings.simplefilter("ignore")
            if self._shared:
                self._packed = torch.ops.quantized.linear_prepack_fp16(weight.contiguous(), None)
            else:
                self._packed = torch.fbgemm_pack_gemm_matrix_fp16(weight.contiguous())
            self.product(torch.zeros(1, weight.shape[1]), None)

    def product(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """Return x W^T + bias, [..., N]."""
        if not self._shared:
            return torch.fbgemm_linear_fp16_weight_fp32_activation(x, self._packed, bias)
        y = torch.ops.quantized.linear_dynamic_fp16(x, self._packed)
        return y if bias is None else y + bias


class ByteWeight(PackedWeight):
    """int8 with a scale for each output; x is quantised to 8 bits as it comes, with one scale."""

    def __init__(self, weight: Tensor):
        super().__init__(weight)
        scale = (weight.abs().amax(1).double() / 127).clamp(min=1e-12)
        zero = torch.zeros(len(weight), dtype=torch.int64)
        with warnings.catch_warnings():  # torch 2.13 says once that this will move
            warnings.simplefilter("ignore")
            values = torch.quantize_per_channel(weight.contiguous(), scale, zero, 0, torch.qint8)
            self._packed = torch.ops.quantized.linear_prepack(values, None)

    def product(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """Return x W^T + bias, [..., N]."""
        y = torch.ops.quantized.linear_dynamic(x, self._packed, True)
        return y if bias is None else y + bias


class ScaledWeight(PackedWeight):
    """int8 or float8 (e4m3) with a scale for each output, for a GPU; only the weight is rounded.

    ``values`` [N, K] and ``scale`` float32 [N] are for kernels that read them as they are.
    """

    def __init__(self, weight: Tensor, dtype: torch.dtype):
        super().__init__(weight)
        self._result = torch.empty(0, dtype=weight.dtype, device=weight.device)
        weight = weight.float()
        integer = not dtype.is_floating_point
        largest = torch.iinfo(dtype).max if integer else torch.finfo(dtype).max
        self.scale = (weight.abs().amax(1) / largest).clamp(min=1e-12)
        scaled = weight / self.scale[:, None]
        self.values = (scaled.round() if integer else scaled).to(dtype)

    def new_zeros(self, *shape: int) -> Tensor:
        """Return zeros of the type that the weight had."""
        return self._result.new_zeros(*shape)

    def product(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """Return x W^T + bias, [..., N]; for many rows, since it unpacks the weight first."""
        y = F.linear(x, self.values.to(x.dtype)) * self.scale
        return (y if bias is None else y + bias).to(x.dtype)


class PackedBlocks:
    """A weight of stacked blocks [N, K]; ``weight[k * N : (k + 1) * N]`` is block k."""

    def __init__(self, blocks: Sequence[PackedWeight]):
        self._blocks = blocks
        self._rows = blocks[0].shape[0]

    def new_zeros(self, *shape: int) -> Tensor:
        """Return zeros of the type that products with this weight have."""
        return self._blocks[0].new_zeros(*shape)

    def __getitem__(self, rows: slice) -> PackedWeight:
        """Return the block that ``rows`` are."""
        return self._blocks[rows.start // self._rows]
