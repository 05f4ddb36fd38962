"""Sizes and special values of the language model: a checkpoint's own, or the published ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from personaplex_ros.nn.configuration import number, read, refuse, shown, text, whole, wholes

Shapes = Mapping[str, Sequence[int]]

SILENCE_CODES = (948, 243, 1178, 546, 1736, 1030, 1978, 2008)
SINE_CODES = (430, 1268, 381, 1611, 1095, 1495, 56, 472)

# Tensors that are counted.
AUDIO_ROW = "emb.{}.weight"
LAYER = "transformer.layers.{}.norm1.alpha"
DEPTH_LAYER = "depformer.layers.{}.norm1.alpha"
DEPTH_STEP = "linears.{}.weight"

# What a configuration may say: far beyond any model, yet nothing that memory would not hold.
HEADS = whole(1, 1024)
CONTEXT = whole(2, 100_000)  # frames
PERIOD = number(1, 1e9)
IDS = whole(0, 10_000_000)
CODES = wholes(0, 10_000_000)
DELAYS = wholes(0, 1000)  # frames
PAUSE = number(0, 60)  # seconds


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
    trained_context: int | None = None  # of these, how many it has learnt to look back; None: all
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

    def within_training(self) -> LMConfig:
        """Return the same with a context in which nothing is further away than was learnt."""
        return replace(self, context=min(self.context, self.trained_context or self.context))

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
        odd = [name for name in needed if len(shapes[name]) != 2 or 0 in shapes[name]]
        if odd:
            found = ", ".join(f"{name} is {list(shapes[name])}" for name in odd)
            raise ValueError(f"tensors that must be matrices: {found}")
        base = LMConfig()
        counts = {
            pattern: _count(shapes, pattern)
            for pattern in (AUDIO_ROW, LAYER, DEPTH_LAYER, DEPTH_STEP)
        }
        audio_rows, depth_steps = counts[AUDIO_ROW], counts[DEPTH_STEP]
        if 0 in counts.values() or audio_rows % 2 or depth_steps < min(2, audio_rows // 2):
            raise ValueError(
                f"not a whole language model: {audio_rows} audio rows, which must be even, "
                f"{counts[LAYER]} layers, {counts[DEPTH_LAYER]} layers and {depth_steps} steps of "
                "the depth transformer"
            )
        no_delays: tuple[int, ...] = ()
        delays = read(config, "delays", no_delays, DELAYS)
        if not delays:
            if audio_rows != base.audio_rows:
                raise ValueError(
                    f"config.json must give `delays`: the model has {audio_rows} audio rows, the "
                    f"published delays are for {base.audio_rows}"
                )
            delays = base.delays
        if len(delays) != 1 + audio_rows:
            raise ValueError(f"{len(delays)} `delays` for {1 + audio_rows} token rows")
        # A file may carry fewer depth steps than are configured; Moshi has the agent's alone.
        both_speakers = read(config, "dep_q", depth_steps, IDS) > audio_rows // 2
        kind = read(config, "model_type", "personaplex" if both_speakers else "moshi", text)
        result = LMConfig(
            dim=shapes["emb.0.weight"][1],
            heads=read(config, "num_heads", base.heads, HEADS),
            layers=counts[LAYER],
            hidden=shapes["transformer.layers.0.gating.linear_out.weight"][1],
            context=read(config, "context", base.context, CONTEXT),
            trained_context=read(config, "trained_context", base.trained_context, CONTEXT),
            max_period=read(config, "max_period", base.max_period, PERIOD),
            text_cardinality=shapes["text_emb.weight"][0] - 1,
            cardinality=shapes["emb.0.weight"][0] - 1,
            audio_rows=audio_rows,
            depth_steps=depth_steps,
            depth_dim=shapes["depformer_in.0.weight"][0],
            depth_heads=read(config, "depformer_num_heads", base.depth_heads, HEADS),
            depth_layers=counts[DEPTH_LAYER],
            depth_hidden=shapes["depformer.layers.0.gating.0.linear_out.weight"][1],
            delays=delays,
            text_padding=read(config, "existing_text_padding_id", base.text_padding, IDS),
            text_end_padding=read(
                config, "existing_text_end_padding_id", base.text_end_padding, IDS
            ),
            silence_codes=read(config, "silence_codes", base.silence_codes, CODES),
            sine_codes=read(config, "sine_codes", base.sine_codes, CODES),
            prompt_pause=read(config, "prompt_pause", base.prompt_pause, PAUSE),
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
                f"{result.cardinality}; there are {shown(list(codes))}"
            )
    pieces = f"an id below the {result.text_cardinality} pieces of the text"
    padding, end, text_ids = (
        result.text_padding, result.text_end_padding, range(result.text_cardinality)
    )  # fmt: skip
    refuse(
        {
            "num_heads": (
                result.heads, result.dim % (2 * result.heads) == 0,
                f"a number of which twice divides the width {result.dim}",
            ),
            "depformer_num_heads": (
                result.depth_heads, result.depth_dim % result.depth_heads == 0,
                f"a number that divides the width {result.depth_dim}",
            ),
            "delays": (
                list(result.delays), max(result.delays) < result.context,
                f"below the context of {result.context} frames",
            ),
            "trained_context": (
                result.trained_context,
                result.trained_context is None or max(result.delays) < result.trained_context,
                f"more frames than the longest delay, {max(result.delays)}",
            ),
            "existing_text_padding_id": (padding, padding in text_ids, pieces),
            "existing_text_end_padding_id": (end, end in text_ids, pieces),
        }
    )  # fmt: skip
    stored = {
        "dim": result.dim, "num_layers": result.layers, "text_card": result.text_cardinality,
        "card": result.cardinality, "n_q": result.audio_rows, "depformer_dim": result.depth_dim,
        "depformer_num_layers": result.depth_layers,
    }  # fmt: skip
    other = [
        f"`{key}` is {shown(config[key])}, the file has {value}"
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
                f"config.json: `{key}` is {shown(config[key])}; this engine runs {value!r} only"
            )
    if config.get("conditioners"):
        raise ValueError("config.json: models with `conditioners` are not supported")
