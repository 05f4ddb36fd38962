"""Sizes of the Mimi codec: the published ones, or those of a checkpoint's own configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from personaplex_ros.nn.configuration import integers, read, refuse


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

        Raises ValueError naming a key that is not valid, or a structure this codec does not have.
        """
        flat = _flat(config)
        known = {
            "channels": 1, "seanet.n_residual_layers": 1, "seanet.norm": "none",
            "seanet.activation": "ELU", "seanet.true_skip": True, "transformer.norm": "layer_norm",
            "transformer.gating": "none", "transformer.positional_embedding": "rope",
        }  # fmt: skip
        for key, value in known.items():
            if flat.get(key, value) != value:
                raise ValueError(f"`{key}` is {flat[key]!r}, only {value!r} is known")
        base = MimiConfig()
        result = MimiConfig(
            sample_rate=read(flat, "sample_rate", base.sample_rate, int),
            frame_rate=read(flat, "frame_rate", base.frame_rate, float),
            filters=read(flat, "seanet.n_filters", base.filters, int),
            dimension=read(flat, "seanet.dimension", base.dimension, int),
            ratios=read(flat, "seanet.ratios", base.ratios, integers),
            kernel=read(flat, "seanet.kernel_size", base.kernel, int),
            residual_kernel=read(flat, "seanet.residual_kernel_size", base.residual_kernel, int),
            last_kernel=read(flat, "seanet.last_kernel_size", base.last_kernel, int),
            compress=read(flat, "seanet.compress", base.compress, int),
            heads=read(flat, "transformer.num_heads", base.heads, int),
            layers=read(flat, "transformer.num_layers", base.layers, int),
            hidden=read(flat, "transformer.dim_feedforward", base.hidden, int),
            context=read(flat, "transformer.context", base.context, int),
            max_period=read(flat, "transformer.max_period", base.max_period, float),
            code_dimension=read(flat, "quantizer.dimension", base.code_dimension, int),
            cardinality=read(flat, "quantizer.bins", base.cardinality, int),
            codebooks=read(flat, "quantizer.n_q", base.codebooks, int),
        )
        _check(result, flat)
        return result


def _flat(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested keys as ``section.key``."""
    flat = dict(config)
    for section in ("seanet", "transformer", "quantizer"):
        content = flat.pop(section, {})
        if not isinstance(content, Mapping):
            raise ValueError(f"`{section}` is {content!r}, it must be an object")
        flat |= {f"{section}.{key}": value for key, value in content.items()}
    return flat


def _check(result: MimiConfig, flat: Mapping[str, Any]) -> None:
    refuse(
        flat,
        {
            "sample_rate": result.sample_rate > 0,
            "frame_rate": 0 < result.frame_rate <= result.sample_rate,
            "seanet.n_filters": result.filters > 0,
            "seanet.ratios": min(result.ratios, default=0) > 0,
            "seanet.compress": result.compress > 0,
            "transformer.num_heads": result.heads > 0
            and result.dimension % (2 * result.heads) == 0,
            "transformer.max_period": result.max_period > 0,
            "quantizer.n_q": result.codebooks > 1,
        },
    )
    if result.frame_size != result.latent_stride * prod(result.ratios):
        raise ValueError(
            f"a frame of {result.frame_size} samples is not a multiple of the strides "
            f"{result.ratios}"
        )
    # Of the context, one position is never seen, and a frame needs all of its own.
    refuse(flat, {"transformer.context": result.context > result.latent_stride})
