"""Mimi's convolutional encoder and decoder (SEANet, arXiv 2009.02095; Moshi, section 3.3).

Signals are [B, T, C], as in ``nn.conv``.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from personaplex_ros.mimi.config import MimiConfig
from personaplex_ros.nn.conv import CausalConv1d, CausalConvTranspose1d
from personaplex_ros.nn.typed import ModuleList

Device = torch.device | str | None


class ResidualBlock(nn.Module):
    """x + conv1(elu(conv(elu(x)))), the first convolution narrowing, the second widening."""

    def __init__(self, channels: int, config: MimiConfig, device: Device):
        super().__init__()
        narrow = channels // config.compress
        first = CausalConv1d(channels, narrow, config.residual_kernel, device=device)
        second = CausalConv1d(narrow, channels, 1, device=device)
        self.block = nn.ModuleDict({"1": first, "3": second})

    @property
    def convolutions(self) -> tuple[CausalConv1d, CausalConv1d]:
        """The two convolutions; between them stand activations, hence their numbers."""
        return cast(CausalConv1d, self.block["1"]), cast(CausalConv1d, self.block["3"])

    def initial_state(self, batch: int) -> list[Any]:
        """Return the states of the two convolutions."""
        return [conv.initial_state(batch) for conv in self.convolutions]

    def forward(self, x: Tensor, state: list[Any], active: Tensor | None = None) -> Tensor:
        """Map one chunk [B, T, C] -> [B, T, C]."""
        first, second = self.convolutions
        narrow = first(F.elu(x), state[0], active)
        return x + second(F.elu(narrow, inplace=True), state[1], active)


Layer = CausalConv1d | CausalConvTranspose1d | ResidualBlock | nn.ELU


class Sequence(nn.Module):
    """Layers in a row under the public name ``model``; those with a state get theirs."""

    def __init__(self, layers: list[Layer]):
        super().__init__()
        self.model: ModuleList[Layer] = ModuleList(layers)

    def initial_state(self, batch: int) -> list[Any]:
        """Return the layers' states, None where a layer has none."""
        return [None if isinstance(m, nn.ELU) else m.initial_state(batch) for m in self.model]

    def forward(self, x: Tensor, state: list[Any], active: Tensor | None = None) -> Tensor:
        """Map one chunk through all layers."""
        for layer, layer_state in zip(self.model, state, strict=True):
            x = layer(x) if layer_state is None else layer(x, layer_state, active)
        return x


def encoder(config: MimiConfig, device: Device = None) -> Sequence:
    """Build the encoder: waveform [B, T, 1] -> latent [B, T / prod(ratios), dimension]."""
    channels = config.filters
    layers: list[Layer] = [CausalConv1d(1, channels, config.kernel, device=device)]
    for ratio in reversed(config.ratios):
        layers += [
            ResidualBlock(channels, config, device),
            nn.ELU(inplace=True),
            CausalConv1d(channels, 2 * channels, 2 * ratio, ratio, device=device),
        ]
        channels *= 2
    layers += [
        nn.ELU(inplace=True),
        CausalConv1d(channels, config.dimension, config.last_kernel, device=device),
    ]
    return Sequence(layers)


def decoder(config: MimiConfig, device: Device = None) -> Sequence:
    """Build the decoder: latent [B, T, dimension] -> waveform [B, T * prod(ratios), 1]."""
    channels = config.filters * 2 ** len(config.ratios)
    layers: list[Layer] = [CausalConv1d(config.dimension, channels, config.kernel, device=device)]
    for ratio in config.ratios:
        layers += [
            nn.ELU(inplace=True),
            CausalConvTranspose1d(channels, channels // 2, ratio, device=device),
            ResidualBlock(channels // 2, config, device),
        ]
        channels //= 2
    layers += [nn.ELU(inplace=True), CausalConv1d(channels, 1, config.last_kernel, device=device)]
    return Sequence(layers)
