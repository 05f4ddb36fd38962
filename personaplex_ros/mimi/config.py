"""Sizes of the Mimi codec: the published ones, or those of a checkpoint's own configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from personaplex_ros.nn.configuration import number, read, refuse, shown, whole, wholes

# What a configuration may say: far beyond any codec, yet quick to lay out.
RATE = whole(1000, 384_000)  # Hz
FRAMES = number(1, 1000)  # a second
WIDTH = whole(1, 1 << 16)
KERNEL = whole(1, 1000)
COUNT = whole(1, 100)
CODEBOOKS = whole(2, 256)
CONTEXT = whole(1, 100_000)  # transformer steps
PERIOD = number(1, 1e9)
CHANNELS = whole(1, 4096)
STRIDES = wholes(2, 1000)
MOST_STRIDES = 8


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
                raise ValueError(f"`{key}` is {shown(flat[key])}, only {value!r} is known")
        base = MimiConfig()
        result = MimiConfig(
            sample_rate=read(flat, "sample_rate", base.sample_rate, RATE),
            frame_rate=read(flat, "frame_rate", base.frame_rate, FRAMES),
            filters=read(flat, "seanet.n_filters", base.filters, CHANNELS),
            dimension=read(flat, "seanet.dimension", base.dimension, WIDTH),
            ratios=read(flat, "seanet.ratios", base.ratios, STRIDES),
            kernel=read(flat, "seanet.kernel_size", base.kernel, KERNEL),
            residual_kernel=read(flat, "seanet.residual_kernel_size", base.residual_kernel, KERNEL),
            last_kernel=read(flat, "seanet.last_kernel_size", base.last_kernel, KERNEL),
            compress=read(flat, "seanet.compress", base.compress, CHANNELS),
            heads=read(flat, "transformer.num_heads", base.heads, COUNT),
            layers=read(flat, "transformer.num_layers", base.layers, COUNT),
            hidden=read(flat, "transformer.dim_feedforward", base.hidden, WIDTH),
            context=read(flat, "transformer.context", base.context, CONTEXT),
            max_period=read(flat, "transformer.max_period", base.max_period, PERIOD),
            code_dimension=read(flat, "quantizer.dimension", base.code_dimension, WIDTH),
            cardinality=read(flat, "quantizer.bins", base.cardinality, WIDTH),
            codebooks=read(flat, "quantizer.n_q", base.codebooks, CODEBOOKS),
        )
        _check(result)
        return result


def _flat(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested keys as ``section.key``."""
    flat = dict(config)
    for section in ("seanet", "transformer", "quantizer"):
        content = flat.pop(section, {})
        if not isinstance(content, Mapping):
            raise ValueError(f"`{section}` is {shown(content)}, it must be an object")
        flat |= {f"{section}.{key}": value for key, value in content.items()}
    return flat


def _check(result: MimiConfig) -> None:
    strides, heads = len(result.ratios), result.heads
    refuse(
        {
            "seanet.ratios": (
                list(result.ratios), 1 <= strides <= MOST_STRIDES, f"1 to {MOST_STRIDES} strides"
            ),
            "seanet.compress": (
                result.compress, result.compress <= result.filters,
                f"not above the {result.filters} channels of `seanet.n_filters`",
            ),
            "transformer.num_heads": (
                heads, result.dimension % (2 * heads) == 0,
                f"a number of which twice divides the width {result.dimension}",
            ),
        },
    )  # fmt: skip
    if result.frame_size % prod(result.ratios):
        raise ValueError(
            f"a frame of {result.frame_size} samples is not a multiple of the strides "
            f"{result.ratios}; correct `sample_rate`, `frame_rate` or `seanet.ratios`"
        )
    # Of the context, one position is never seen, and a frame needs all of its own.
    must = f"above the {result.latent_stride} steps of a frame"
    context = result.context
    refuse({"transformer.context": (context, context > result.latent_stride, must)})
