"""The Mimi codec: waveform <-> codes, as a stream of frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from personaplex_ros.mimi.config import MimiConfig
from personaplex_ros.mimi.quantizer import SplitQuantizer
from personaplex_ros.mimi.seanet import decoder, encoder
from personaplex_ros.mimi.transformer import Transformer, TransformerState
from personaplex_ros.nn.conv import CausalConv1d, CausalConvTranspose1d, ConvState
from personaplex_ros.nn.conv import TransposedConvState as Overlap
from personaplex_ros.nn.state import first_rows, reset_row


@dataclass
class EncoderState:
    """State of B waveforms that are being encoded."""

    seanet: list[Any]
    transformer: TransformerState
    downsample: ConvState

    def restart(self, row: int) -> None:
        """Begin row ``row`` afresh."""
        self.transformer.restart(row)
        for part in (self.seanet, self.downsample):
            reset_row(part, row)

    def first(self, rows: int) -> EncoderState:
        """Return the same state, as a view, of the first ``rows`` waveforms."""
        seanet, down = first_rows((self.seanet, self.downsample), rows)
        return EncoderState(seanet, self.transformer.first(rows), down)


@dataclass
class DecoderState:
    """State of B code streams that are being decoded."""

    upsample: Overlap
    transformer: TransformerState
    seanet: list[Any]

    def restart(self, row: int) -> None:
        """Begin row ``row`` afresh."""
        self.transformer.restart(row)
        for part in (self.seanet, self.upsample):
            reset_row(part, row)

    def first(self, rows: int) -> DecoderState:
        """Return the same state, as a view, of the first ``rows`` code streams."""
        up, seanet = first_rows((self.upsample, self.seanet), rows)
        return DecoderState(up, self.transformer.first(rows), seanet)


class Mimi(nn.Module):
    """Streaming encoder and decoder for 24 kHz speech at 12.5 frames a second.

    Source: Moshi, arXiv 2410.00037, section 3.3. Computes in float32. Batch rows are independent
    streams. ``active`` (bool [B], None: all) marks the rows that take part in a call; for the
    others nothing changes and what comes out of their rows means nothing.
    """

    def __init__(self, config: MimiConfig, device: torch.device | str | None = None):
        super().__init__()
        self.config = config
        dim, stride = config.dimension, config.latent_stride
        self.encoder = encoder(config, device)
        self.encoder_transformer = Transformer(config, device)
        down = CausalConv1d(dim, dim, 2 * stride, stride, bias=False, replicate=True, device=device)
        self.downsample = nn.ModuleDict({"conv": down})
        self.quantizer = SplitQuantizer(config, device)
        up = CausalConvTranspose1d(dim, dim, stride, depthwise=True, bias=False, device=device)
        self.upsample = nn.ModuleDict({"convtr": up})
        self.decoder_transformer = Transformer(config, device)
        self.decoder = decoder(config, device)

    @property
    def down(self) -> CausalConv1d:
        """From the transformer's rate to the frame rate."""
        return cast(CausalConv1d, self.downsample["conv"])

    @property
    def up(self) -> CausalConvTranspose1d:
        """From the frame rate to the transformer's rate."""
        return cast(CausalConvTranspose1d, self.upsample["convtr"])

    def encoder_state(self, batch: int) -> EncoderState:
        """Return the state of ``batch`` waveforms that have not begun."""
        return EncoderState(
            self.encoder.initial_state(batch),
            self.encoder_transformer.initial_state(batch),
            self.down.initial_state(batch),
        )

    def decoder_state(self, batch: int) -> DecoderState:
        """Return the state of ``batch`` code streams that have not begun."""
        return DecoderState(
            self.up.initial_state(batch),
            self.decoder_transformer.initial_state(batch),
            self.decoder.initial_state(batch),
        )

    def encode(
        self, wave: Tensor, state: EncoderState, codebooks: int, active: Tensor | None = None
    ) -> Tensor:
        """Encode whole frames: float32 [B, 1, n * frame_size] -> ids int64 [B, codebooks, n]."""
        return self.quantizer.encode(self.latents(wave, state, active), codebooks)

    def latents(self, wave: Tensor, state: EncoderState, active: Tensor | None = None) -> Tensor:
        """Map whole frames float32 [B, 1, n * frame_size] to what is quantised, [B, n, D]."""
        x = self.encoder(wave.transpose(1, 2), state.seanet, active)
        x = self.encoder_transformer(x, state.transformer, active)
        return self.down(x, state.downsample, active)

    def decode(self, codes: Tensor, state: DecoderState, active: Tensor | None = None) -> Tensor:
        """Decode frames: ids int64 [B, codebooks, n] -> float32 [B, 1, n * frame_size]."""
        x = self.up(self.quantizer.decode(codes), state.upsample, active)
        x = self.decoder_transformer(x, state.transformer, active)
        return self.decoder(x, state.seanet, active).transpose(1, 2)
