"""Sizes and special values of the language model: a checkpoint's own, or the published ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

Shapes = Mapping[str, Sequence[int]]

SILENCE_CODES = (948, 243, 1178, 546, 1736, 1030, 1978, 2008)
SINE_CODES = (430, 1268, 381, 1611, 1095, 1495, 56, 472)


@dataclass(frozen=True)
class LMConfig:
    """Architecture and conventions; the defaults are those of PersonaPlex-7B-v1.

    Rows of the token grid: 0 is text, then the agent's codebooks, then the user's.
    """

    dim: int = 4096
    heads: int = 32
    layers: int = 32
    hidden: int = 11264  # feed-forward width
    context: int = 3000  # frames
    max_period: float = 10000.0
    text_cardinality: int = 32000
    cardinality: int = 2048
    audio_rows: int = 16
    depth_steps: int = 16  # audio rows that the depth transformer can predict
    depth_dim: int = 1024
    depth_heads: int = 16
    depth_layers: int = 6
    depth_hidden: int = 2816
    delays: tuple[int, ...] = (0, *(0, 1, 1, 1, 1, 1, 1, 1) * 2)  # one a row, in frames
    text_padding: int = 3  # PAD
    text_end_padding: int = 0  # EPAD
    silence_codes: tuple[int, ...] = SILENCE_CODES  # a frame of silence, as the agent's codes
    sine_codes: tuple[int, ...] = SINE_CODES  # a frame of a 440 Hz sine, as the user's codes
    prompt_pause: float = 0.5  # seconds of silence before and after the text prompt
    takes_persona: bool = True  # false for Moshi, whose conversations begin from nothing

    @property
    def rows(self) -> int:
        """Rows of the token grid."""
        return 1 + self.audio_rows

    @property
    def codebooks(self) -> int:
        """Codebooks of one speaker."""
        return self.audio_rows // 2

    @property
    def initial_tokens(self) -> tuple[int, ...]:
        """What each row holds before its stream begins."""
        return (self.text_cardinality, *(self.cardinality,) * self.audio_rows)

    def with_depth_steps(self, steps: int) -> LMConfig:
        """Return the same with another number of depth steps."""
        return replace(self, depth_steps=steps)

    @staticmethod
    def from_checkpoint(config: Mapping[str, Any], shapes: Shapes) -> LMConfig:
        """Combine what a ``config.json`` says with what the tensors' shapes show.

        Sizes that shapes show are taken from there; number of heads, context, delays and special
        codes come from the configuration where it has them, else they are the published ones.
        Raises ValueError when neither says enough or the architecture is another one.
        """
        _refuse_other_architectures(config)
        needed = (
            "emb.0.weight", "text_emb.weight", "transformer.layers.0.gating.linear_out.weight",
            "depformer_in.0.weight", "depformer.layers.0.gating.0.linear_out.weight",
        )  # fmt: skip
        missing = [name for name in needed if name not in shapes]
        if missing:
            raise ValueError(
                f"not a PersonaPlex or Moshi language model: no tensor {', '.join(missing)}"
            )
        base = LMConfig()
        audio_rows = _count(shapes, "emb.{}.weight")
        delays = config.get("delays")
        if delays is None:
            if audio_rows != base.audio_rows:
                raise ValueError(
                    f"config.json must give `delays`: the model has {audio_rows} audio rows, the "
                    f"published delays are for {base.audio_rows}"
                )
            delays = base.delays
        if len(delays) != 1 + audio_rows:
            raise ValueError(f"config.json: {len(delays)} delays for {1 + audio_rows} token rows")
        cardinality = shapes["emb.0.weight"][0] - 1
        result = LMConfig(
            dim=shapes["emb.0.weight"][1],
            heads=int(config.get("num_heads", base.heads)),
            layers=_count(shapes, "transformer.layers.{}.norm1.alpha"),
            hidden=shapes["transformer.layers.0.gating.linear_out.weight"][1],
            context=int(config.get("context", base.context)),
            max_period=float(config.get("max_period", base.max_period)),
            text_cardinality=shapes["text_emb.weight"][0] - 1,
            cardinality=cardinality,
            audio_rows=audio_rows,
            depth_steps=_count(shapes, "linears.{}.weight"),
            depth_dim=shapes["depformer_in.0.weight"][0],
            depth_heads=int(config.get("depformer_num_heads", base.depth_heads)),
            depth_layers=_count(shapes, "depformer.layers.{}.norm1.alpha"),
            depth_hidden=shapes["depformer.layers.0.gating.0.linear_out.weight"][1],
            delays=tuple(int(d) for d in delays),
            text_padding=int(config.get("existing_text_padding_id", base.text_padding)),
            text_end_padding=int(config.get("existing_text_end_padding_id", base.text_end_padding)),
            silence_codes=tuple(config.get("silence_codes", base.silence_codes)),
            sine_codes=tuple(config.get("sine_codes", base.sine_codes)),
            prompt_pause=float(config.get("prompt_pause", base.prompt_pause)),
            takes_persona=config.get("model_type", "personaplex") != "moshi",
        )
        for key, codes in (
            ("silence_codes", result.silence_codes),
            ("sine_codes", result.sine_codes),
        ):
            if len(codes) != result.codebooks or max(codes) >= cardinality or min(codes) < 0:
                raise ValueError(
                    f"config.json must give `{key}`: {result.codebooks} ids below {cardinality}; "
                    f"there are {list(codes)}"
                )
        return result


def _count(shapes: Shapes, pattern: str) -> int:
    """Count the tensors pattern.format(0), pattern.format(1), ... that follow one another."""
    number = 0
    while pattern.format(number) in shapes:
        number += 1
    return number


def _refuse_other_architectures(config: Mapping[str, Any]) -> None:
    known = {
        "causal": True, "layer_scale": None, "gating": "silu", "norm": "rms_norm_f32",
        "positional_embedding": "rope", "depformer_gating": "silu", "depformer_layer_scale": None,
        "depformer_multi_linear": True, "depformer_pos_emb": "none",
        "depformer_weights_per_step": True, "cross_attention": False,
        "depformer_weights_per_step_schedule": None, "demux_second_stream": False,
        "depformer_low_rank_embeddings": None, "kv_repeat": 1,
    }  # fmt: skip
    for key, value in known.items():
        if key in config and config[key] != value:
            raise ValueError(
                f"config.json: `{key}` is {config[key]!r}; this engine runs {value!r} only"
            )
    if config.get("conditioners"):
        raise ValueError("config.json: models with `conditioners` are not supported")
