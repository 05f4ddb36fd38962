"""Sizes of the Mimi codec: the published ones, or those of a checkpoint's own configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any


@dataclass(frozen=True)
class MimiConfig:
    """Architecture of a codec; the defaults are those of the published Mimi (arXiv 2410.00037)."""

    sample_rate: int = 24000  # Hz
    frame_rate: float = 12.5  # Hz
    filters: int = 64  # channels after the first convolution
    dimension: int = 512  # latent channels
    ratios: tuple[int, ...] = (8, 6, 5, 4)  # decoder strides; the encoder takes them backwards
    kernel: int = 7
    residual_kernel: int = 3
    last_kernel: int = 3
    compress: int = 2  # residual blocks narrow their channels by this factor
    heads: int = 8
    layers: int = 8
    hidden: int = 2048  # feed-forward width
    context: int = 250  # transformer steps (two a frame)
    max_period: float = 10000.0
    code_dimension: int = 256
    cardinality: int = 2048
    codebooks: int = 32  # in the file: 1 semantic, the others acoustic

    @property
    def frame_size(self) -> int:
        """Samples a frame."""
        return round(self.sample_rate / self.frame_rate)

    @property
    def latent_stride(self) -> int:
        """Transformer steps a frame."""
        return self.frame_size // prod(self.ratios)

    @staticmethod
    def from_json(config: Mapping[str, Any]) -> MimiConfig:
        """Read a ``mimi_config.json``; a key that is not given has its published value.

        Raises ValueError for a structure that this codec does not have.
        """
        seanet, quantizer = config.get("seanet", {}), config.get("quantizer", {})
        transformer = config.get("transformer", {})
        unlike = {
            "channels": (config.get("channels", 1), 1),
            "seanet.n_residual_layers": (seanet.get("n_residual_layers", 1), 1),
            "seanet.norm": (seanet.get("norm", "none"), "none"),
            "seanet.activation": (seanet.get("activation", "ELU"), "ELU"),
            "seanet.true_skip": (seanet.get("true_skip", True), True),
            "transformer.norm": (transformer.get("norm", "layer_norm"), "layer_norm"),
            "transformer.gating": (transformer.get("gating", "none"), "none"),
            "transformer.positional_embedding": (
                transformer.get("positional_embedding", "rope"),
                "rope",
            ),
        }
        for key, (given, known) in unlike.items():
            if given != known:
                raise ValueError(
                    f"codec configuration: {key} is {given!r}, only {known!r} is known"
                )
        base = MimiConfig()
        result = MimiConfig(
            sample_rate=int(config.get("sample_rate", base.sample_rate)),
            frame_rate=float(config.get("frame_rate", base.frame_rate)),
            filters=int(seanet.get("n_filters", base.filters)),
            dimension=int(seanet.get("dimension", base.dimension)),
            ratios=tuple(int(r) for r in seanet.get("ratios", base.ratios)),
            kernel=int(seanet.get("kernel_size", base.kernel)),
            residual_kernel=int(seanet.get("residual_kernel_size", base.residual_kernel)),
            last_kernel=int(seanet.get("last_kernel_size", base.last_kernel)),
            compress=int(seanet.get("compress", base.compress)),
            heads=int(transformer.get("num_heads", base.heads)),
            layers=int(transformer.get("num_layers", base.layers)),
            hidden=int(transformer.get("dim_feedforward", base.hidden)),
            context=int(transformer.get("context", base.context)),
            max_period=float(transformer.get("max_period", base.max_period)),
            code_dimension=int(quantizer.get("dimension", base.code_dimension)),
            cardinality=int(quantizer.get("bins", base.cardinality)),
            codebooks=int(quantizer.get("n_q", base.codebooks)),
        )
        if result.frame_size != result.latent_stride * prod(result.ratios):
            raise ValueError(
                f"codec configuration: a frame of {result.frame_size} samples is not a multiple "
                f"of the strides {result.ratios}"
            )
        return result
