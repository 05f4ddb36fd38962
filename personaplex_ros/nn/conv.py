"""Causal convolutions that run on a stream, chunk by chunk (Moshi, arXiv 2410.00037, section 3.3).

A chunk's result equals the same part of the convolution over the whole signal. What a chunk needs
of the past is handed in as a state and replaced there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from personaplex_ros.nn.state import advance

FEW = 4  # samples, up to which a transposed convolution is one matrix product


@dataclass
class ConvState:
    """What a causal convolution keeps: the last ``kernel - stride`` input samples."""

    tail: Tensor  # [B, C, kernel - stride]
    started: Tensor  # bool [B], false until the first chunk


@dataclass
class TransposedConvState:
    """What a transposed convolution keeps: outputs that the next chunk adds to."""

    partial: Tensor  # [B, C, kernel - stride]


class CausalConv1d(nn.Module):
    """Convolution [B, C, T] -> [B, C', T / stride], padded on the left at the stream's start.

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
        self.stride = stride
        self.keep = kernel - stride
        self.replicate = replicate

    @property
    def inner(self) -> nn.Conv1d:
        """The convolution itself."""
        return cast(nn.Conv1d, self.conv["conv"])

    def initial_state(self, batch: int) -> ConvState:
        """Return the state of ``batch`` streams that have not begun."""
        weight = self.inner.weight
        tail = weight.new_zeros(batch, weight.shape[1], self.keep)
        return ConvState(tail, weight.new_zeros(batch, dtype=torch.bool))

    def forward(self, x: Tensor, state: ConvState, active: Tensor | None = None) -> Tensor:
        """Convolve one chunk [B, C, T] and bring the state forward."""
        conv = self.inner
        if self.keep == 0:
            return F.conv1d(x, conv.weight, conv.bias, self.stride)
        past = state.tail
        if self.replicate:
            past = torch.where(state.started.view(-1, 1, 1), past, x[..., :1])
            advance(state.started, torch.ones_like(state.started), active)
        x = torch.cat([past, x], dim=-1)
        advance(state.tail, x[..., x.shape[-1] - self.keep :], active)
        return F.conv1d(x, conv.weight, conv.bias, self.stride)


class CausalConvTranspose1d(nn.Module):
    """Transposed convolution [B, C, T] -> [B, C', T * stride] by overlap-add.

    The bias belongs to every output sample once, so it is left out of what is carried over.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int,
        stride: int,
        *,
        groups: int = 1,
        bias: bool = True,
        device: torch.device | str | None = None,
    ):
        super().__init__()
        conv = nn.ConvTranspose1d(
            channels_in, channels_out, kernel, stride, groups=groups, bias=bias, device=device
        )
        self.convtr = nn.ModuleDict({"convtr": conv})
        self.channels_out = channels_out
        self.stride = stride
        self.groups = groups
        self.keep = kernel - stride

    @property
    def inner(self) -> nn.ConvTranspose1d:
        """The convolution itself."""
        return cast(nn.ConvTranspose1d, self.convtr["convtr"])

    def initial_state(self, batch: int) -> TransposedConvState:
        """Return the state of ``batch`` streams that have not begun."""
        weight = self.inner.weight
        return TransposedConvState(weight.new_zeros(batch, self.channels_out, self.keep))

    def forward(
        self, x: Tensor, state: TransposedConvState, active: Tensor | None = None
    ) -> Tensor:
        """Convolve one chunk [B, C, T] and bring the state forward."""
        conv = self.inner
        ready = x.shape[-1] * self.stride
        if self.groups == 1 and self.keep == self.stride and x.shape[-1] <= FEW:
            y = self._matmul(x, state.partial)
        else:
            y = F.conv_transpose1d(x, conv.weight, None, self.stride, groups=self.groups)
            y[..., : self.keep] += state.partial
        advance(state.partial, y[..., ready:], active)
        y = y[..., :ready]
        return y if conv.bias is None else y + conv.bias.view(1, -1, 1)

    def _matmul(self, x: Tensor, partial: Tensor) -> Tensor:
        """Return the sum with ``partial`` [B, C', (T + 1) * stride] for a kernel of two strides.

        Then an input sample reaches its own block of outputs and the next, so overlap-add is one
        addition. For few samples this takes CPUs a tenth of the general way's time.
        """
        blocks = x.transpose(1, 2) @ self.inner.weight.flatten(1)  # [B, T, C' * 2 * stride]
        blocks = blocks.unflatten(-1, (self.channels_out, 2, self.stride)).permute(3, 0, 2, 1, 4)
        own, next_ = blocks  # each [B, C', T, stride]
        carried = torch.cat([partial[:, :, None], next_], dim=2)
        return (carried + F.pad(own, (0, 0, 0, 1))).flatten(2)
