"""Causal convolutions that run on a stream, chunk by chunk (Moshi, arXiv 2410.00037, section 3.3).

A chunk's result equals the same part of the convolution over the whole signal. What a chunk needs
of the past is handed in as a state and replaced there.

Signals are [B, T, C], a sample's channels side by side. Then each convolution is one matrix
product: its windows lie in memory as they are read, and with ``lay_kernels_by_sample`` so do its
weights. For the short chunks of a stream that is faster than the general convolutions of torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from personaplex_ros.nn.packed import PackedWeight
from personaplex_ros.nn.state import advance


@dataclass
class ConvState:
    """What a causal convolution keeps: the last ``kernel - stride`` input samples."""

    tail: Tensor  # [B, kernel - stride, C]
    started: Tensor  # bool [B], false until the first chunk


@dataclass
class TransposedConvState:
    """What a transposed convolution keeps: outputs that the next chunk adds to."""

    partial: Tensor  # [B, stride, C]


class CausalConv1d(nn.Module):
    """Convolution [B, T, C] -> [B, T / stride, C'], padded at the stream's start.

    The padding is zeros, or with ``replicate`` the first sample. T is a multiple of the stride.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int,
        stride: int = 1,
        *,
        bias: bool = True,
        replicate: bool = False,
        device: torch.device | str | None = None,
    ):
        super().__init__()
        conv = nn.Conv1d(channels_in, channels_out, kernel, stride, bias=bias, device=device)
        self.conv = nn.ModuleDict({"conv": conv})
        self.kernel = kernel
        self.stride = stride
        self.keep = kernel - stride
        self.replicate = replicate
        self.packed: PackedWeight | None = None  # of ``matrix``

    @property
    def matrix(self) -> Any:
        """The kernels as a weight [C', kernel * C]."""
        return self.packed or self.inner.weight.transpose(1, 2).flatten(1)

    @property
    def inner(self) -> nn.Conv1d:
        """The convolution itself."""
        return cast(nn.Conv1d, self.conv["conv"])

    def initial_state(self, batch: int) -> ConvState:
        """Return the state of ``batch`` streams that have not begun."""
        weight = self.inner.weight
        tail = weight.new_zeros(batch, self.keep, weight.shape[1])
        return ConvState(tail, weight.new_zeros(batch, dtype=torch.bool))

    def forward(self, x: Tensor, state: ConvState, active: Tensor | None = None) -> Tensor:
        """Convolve one chunk [B, T, C] and bring the state forward."""
        if self.keep:
            past = state.tail
            if self.replicate:
                past = torch.where(state.started.view(-1, 1, 1), past, x[:, :1])
                advance(state.started, torch.ones_like(state.started), active)
            x = torch.cat([past, x], dim=1)
            advance(state.tail, x[:, x.shape[1] - self.keep :], active)
        return self.over(x)

    def over(self, x: Tensor) -> Tensor:
        """Convolve x [B, T + kernel - stride, C], which brings its own past."""
        if self.kernel > 1:
            x = x.unfold(1, self.kernel, self.stride).transpose(2, 3).flatten(2)
        return F.linear(x, self.matrix, self.inner.bias)


class CausalConvTranspose1d(nn.Module):
    """Transposed convolution [B, T, C] -> [B, T * stride, C'] with a kernel of two strides.

    An input sample reaches its own ``stride`` outputs and the next ones, so overlap-add is one
    addition. ``depthwise`` keeps the channels apart.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        stride: int,
        *,
        depthwise: bool = False,
        bias: bool = True,
        device: torch.device | str | None = None,
    ):
        super().__init__()
        groups = channels_in if depthwise else 1
        conv = nn.ConvTranspose1d(
            channels_in, channels_out, 2 * stride, stride, groups=groups, bias=bias, device=device
        )
        self.convtr = nn.ModuleDict({"convtr": conv})
        self.channels_out = channels_out
        self.stride = stride
        self.depthwise = depthwise
        self.packed: PackedWeight | None = None  # of ``matrix``

    @property
    def matrix(self) -> Any:
        """The kernels as a weight [2 * stride * C', C]."""
        return self.packed or self.inner.weight.permute(2, 1, 0).flatten(0, 1)

    @property
    def inner(self) -> nn.ConvTranspose1d:
        """The convolution itself."""
        return cast(nn.ConvTranspose1d, self.convtr["convtr"])

    def initial_state(self, batch: int) -> TransposedConvState:
        """Return the state of ``batch`` streams that have not begun."""
        weight = self.inner.weight
        return TransposedConvState(weight.new_zeros(batch, self.stride, self.channels_out))

    def forward(
        self, x: Tensor, state: TransposedConvState, active: Tensor | None = None
    ) -> Tensor:
        """Convolve one chunk [B, T, C] and bring the state forward."""
        conv = self.inner
        if self.depthwise:
            y = x[:, :, None] * conv.weight[:, 0].t()
        else:
            y = F.linear(x, self.matrix)
        y = y.view(*x.shape[:2], 2, self.stride, self.channels_out)
        own, later = y[:, :, 0], y[:, :, 1]
        # The bias belongs to every output once, so it is left out of what is carried over.
        out = own.clone() if conv.bias is None else own + conv.bias
        out[:, 0] += state.partial
        out[:, 1:] += later[:, :-1]
        advance(state.partial, later[:, -1], active)
        return out.flatten(1, 2)


def lay_kernels_by_sample(model: nn.Module) -> None:
    """Store kernels as the products read them; values and shapes stay."""
    for module in model.modules():
        for kind, order in ((nn.Conv1d, (0, 2, 1)), (nn.ConvTranspose1d, (2, 1, 0))):
            if isinstance(module, kind):  # each order is its own inverse
                weight = module.weight
                weight.data = weight.data.permute(order).contiguous().permute(order)
