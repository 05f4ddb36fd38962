"""Sizes and special values of the language model: a checkpoint's own, or the published ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from personaplex_ros.nn.configuration import integers, read, refuse

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
        no_delays: tuple[int, ...] = ()
        delays = read(config, "delays", no_delays, integers)
        if not delays:
            if audio_rows != base.audio_rows:
                raise ValueError(
                    f"config.json must give `delays`: the model has {audio_rows} audio rows, the "
                    f"published delays are for {base.audio_rows}"
                )
            delays = base.delays
        if len(delays) != 1 + audio_rows:
            raise ValueError(f"config.json: {len(delays)} delays for {1 + audio_rows} token rows")
        depth_steps = _count(shapes, "linears.{}.weight")
        # A file may carry fewer depth steps than are configured; Moshi has the agent's alone.
        both_speakers = read(config, "dep_q", depth_steps, int) > audio_rows // 2
        kind = read(config, "model_type", "personaplex" if both_speakers else "moshi", str)
        result = LMConfig(
            dim=shapes["emb.0.weight"][1],
            heads=read(config, "num_heads", base.heads, int),
            layers=_count(shapes, "transformer.layers.{}.norm1.alpha"),
            hidden=shapes["transformer.layers.0.gating.linear_out.weight"][1],
            context=read(config, "context", base.context, int),
            max_period=read(config, "max_period", base.max_period, float),
            text_cardinality=shapes["text_emb.weight"][0] - 1,
            cardinality=shapes["emb.0.weight"][0] - 1,
            audio_rows=audio_rows,
            depth_steps=depth_steps,
            depth_dim=shapes["depformer_in.0.weight"][0],
            depth_heads=read(config, "depformer_num_heads", base.depth_heads, int),
            depth_layers=_count(shapes, "depformer.layers.{}.norm1.alpha"),
            depth_hidden=shapes["depformer.layers.0.gating.0.linear_out.weight"][1],
            delays=delays,
            text_padding=read(config, "existing_text_padding_id", base.text_padding, int),
            text_end_padding=read(
                config, "existing_text_end_padding_id", base.text_end_padding, int
            ),
            silence_codes=read(config, "silence_codes", base.silence_codes, integers),
            sine_codes=read(config, "sine_codes", base.sine_codes, integers),
            prompt_pause=read(config, "prompt_pause", base.prompt_pause, float),
            takes_persona=kind != "moshi",
        )
        _check(result, config)
        return result


def _check(result: LMConfig, config: Mapping[str, Any]) -> None:
    """Refuse impossible values, and a configuration that belongs to another file."""
    for key, codes in (("silence_codes", result.silence_codes), ("sine_codes", result.sine_codes)):
        fits = len(codes) == result.codebooks and set(codes) <= set(range(result.cardinality))
        if not fits:
            raise ValueError(
                f"config.json must give `{key}`: {result.codebooks} ids below "
                f"{result.cardinality}; there are {list(codes)}"
            )
    text_ids = range(result.text_cardinality)
    refuse(
        config,
        {
            "num_heads": result.heads > 0 and result.dim % (2 * result.heads) == 0,
            "depformer_num_heads": result.depth_heads > 0
            and result.depth_dim % result.depth_heads == 0,
            "context": result.context >= 2,
            "max_period": result.max_period > 0,
            "delays": min(result.delays) >= 0,
            "existing_text_padding_id": result.text_padding in text_ids,
            "existing_text_end_padding_id": result.text_end_padding in text_ids,
            "prompt_pause": 0 <= result.prompt_pause < float("inf"),
        },
    )
    stored = {
        "dim": result.dim, "num_layers": result.layers, "text_card": result.text_cardinality,
        "card": result.cardinality, "n_q": result.audio_rows, "depformer_dim": result.depth_dim,
        "depformer_num_layers": result.depth_layers,
    }  # fmt: skip
    other = [
        f"`{key}` is {config[key]!r}, the file has {value}"
        for key, value in stored.items()
        if config.get(key, value) != value
    ]
    if other:
        raise ValueError(f"config.json belongs to another file: {', '.join(other)}")


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
