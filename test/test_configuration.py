"""What a checkpoint's configuration may say, and what is refused by the name of its key."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from reference import CODEC, LM, PIECES, codec_json, config_json, random_lm
from safetensors.torch import save_file

from personaplex_ros.checkpoint import load_language_model
from personaplex_ros.engine import Engine
from personaplex_ros.lm import LMConfig
from personaplex_ros.mimi import MimiConfig


@pytest.fixture
def checkpoint(small_checkpoint: Path, tmp_path: Path) -> Path:
    """Return a copy whose configuration a test may change."""
    return Path(shutil.copytree(small_checkpoint, tmp_path / "checkpoint"))


def configure(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_without_a_configuration_published_names_and_values_hold(tmp_path: Path) -> None:
    published = LMConfig(
        dim=64, layers=1, hidden=8, text_cardinality=PIECES, depth_dim=32, depth_layers=1,
        depth_hidden=8,
    )  # fmt: skip
    save_file(random_lm(published).state_dict(), tmp_path / "model.safetensors")
    assert (
        load_language_model(tmp_path / "model.safetensors", {}, "cpu", torch.float32, 16).config
        == published
    )


def test_other_rows_need_delays(tmp_path: Path) -> None:
    shapes = {name: tuple(t.shape) for name, t in random_lm().state_dict().items()}
    fewer = {n: s for n, s in shapes.items() if not re.match(r"emb\.(8|9|1\d)\.", n)}
    with pytest.raises(ValueError, match=r"must give `delays`: the model has 8 audio rows"):
        LMConfig.from_checkpoint({}, fewer)


@pytest.mark.parametrize(
    "text", ["{", "[]", "17", '"text"', "[" * 10**6, '{"a": 1, "a": 2}', "\x00"]
)
@pytest.mark.parametrize("file", ["config.json", "mimi_config.json"])
def test_a_configuration_that_is_no_json_object_is_refused(
    checkpoint: Path, file: str, text: str
) -> None:
    (checkpoint / file).write_text(text)
    with pytest.raises(
        ValueError,
        match=rf"/{file} (is not valid JSON|must hold a JSON object)|/{file}, line 1: not UTF-8",
    ):
        Engine.load(checkpoint, device="cpu")


def test_a_codec_configuration_that_is_named_must_exist(checkpoint: Path) -> None:
    (checkpoint / "mimi_config.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"mimi_config\.json is named in config\.json"):
        Engine.load(checkpoint, device="cpu")


@pytest.mark.parametrize(
    ("key", "value"),
    [("num_heads", 0), ("num_heads", 5), ("num_heads", "four"), ("context", 1), ("context", []),
     ("depformer_num_heads", 7), ("max_period", 0), ("delays", [-1] + [0] * 16),
     ("delays", [0.5] * 17), ("delays", 3), ("existing_text_padding_id", PIECES),
     ("existing_text_end_padding_id", -1), ("prompt_pause", -1), ("prompt_pause", float("inf")),
     ("silence_codes", [1, 2]), ("silence_codes", "quiet"), ("sine_codes", [128] * 8),
     ("sine_codes", 5), ("dim", 4096), ("num_layers", 3), ("n_q", 8), ("card", 2048),
     ("context", 10**12), ("context", 2.5), ("context", True), ("context", "3000"),
     ("context", float("nan")), ("num_heads", 10**30), ("num_heads", -1), ("num_heads", {"a": [0]}),
     ("depformer_num_heads", 0), ("delays", [0] * 16 + [10**12]), ("delays", [64] * 17),
     ("delays", [0] * 16), ("delays", "0" * 17), ("max_period", float("nan")),
     ("max_period", float("inf")), ("max_period", True), ("prompt_pause", "half"),
     ("prompt_pause", 10**12), ("silence_codes", {"a": 1}), ("model_type", 7), ("dep_q", -1),
     ("dim", "wide"), ("n_q", [16]), ("text_card", 1e12), ("conditioners", "x" * 10**6),
     ("gating", "gelu"), ("norm", "layer_norm"), ("kv_repeat", 4), ("causal", False),
     ("depformer_weights_per_step_schedule", [0] * 16), ("conditioners", {"mood": 1})],
)  # fmt: skip
def test_a_value_that_cannot_be_is_named(checkpoint: Path, key: str, value: Any) -> None:
    configure(checkpoint / "config.json", **{key: value})
    with pytest.raises(
        ValueError, match=rf"model\.safetensors with its config\.json: .*`{key}`"
    ) as error:
        Engine.load(checkpoint, device="cpu")
    assert len(str(error.value)) < 1000


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [("", "sample_rate", "high"), ("", "frame_rate", 0), ("", "channels", 2),
     ("seanet", "ratios", []), ("seanet", "ratios", [0, 4]), ("seanet", "compress", 0),
     ("seanet", "activation", "GELU"), ("seanet", "norm", "weight_norm"),
     ("transformer", "num_heads", 5), ("transformer", "context", 2),
     ("transformer", "gating", "silu"), ("quantizer", "n_q", 1), ("quantizer", "bins", None),
     ("quantizer", "bins", 10**12), ("quantizer", "dimension", 0), ("", "sample_rate", 24000.5),
     ("", "frame_rate", float("nan")), ("seanet", "n_filters", 10**12),
     ("seanet", "ratios", [2] * 9), ("seanet", "ratios", [1, 8]), ("seanet", "kernel_size", -3),
     ("transformer", "num_layers", 10**12),
     ("transformer", "dim_feedforward", True), ("transformer", "context", 10**12)],
)  # fmt: skip
def test_a_codec_value_that_cannot_be_is_named(section: str, key: str, value: Any) -> None:
    config = codec_json(CODEC)
    (config[section] if section else config)[key] = value
    if value is None:  # as if it were not there
        assert MimiConfig.from_json(config).cardinality == MimiConfig().cardinality
        return
    with pytest.raises(ValueError, match=f"`{section}{'.' if section else ''}{key}`"):
        MimiConfig.from_json(config)


@pytest.mark.parametrize("key", ["moshi_name", "mimi_name", "tokenizer_name", "mimi_config_name"])
@pytest.mark.parametrize("name", [7, "", "../x", "/etc/passwd", "a/../../x", "hf://a/b", ["x"]])
def test_a_file_name_stays_in_the_folder(checkpoint: Path, key: str, name: Any) -> None:
    configure(checkpoint / "config.json", **{key: name})
    with pytest.raises(ValueError, match=rf"config\.json: `{key}` cannot be"):
        Engine.load(checkpoint, device="cpu")


def test_a_configuration_with_a_byte_order_mark_is_read(checkpoint: Path) -> None:
    for path in (checkpoint / "config.json", checkpoint / "mimi_config.json"):
        path.write_text(path.read_text(), encoding="utf-8-sig")
    engine = Engine.load(checkpoint, device="cpu")
    assert (engine.lm.config.context, engine.codec.config) == (LM.context, CODEC)


def test_a_codec_frame_must_be_a_multiple_of_its_strides() -> None:
    with pytest.raises(ValueError, match=r"1846 samples is not a multiple of the strides"):
        MimiConfig.from_json(codec_json(CODEC) | {"frame_rate": 13})


def test_configurations_come_back_as_they_were_written() -> None:
    shapes = {name: tuple(t.shape) for name, t in random_lm().state_dict().items()}
    assert LMConfig.from_checkpoint(config_json(LM), shapes) == LM
    assert MimiConfig.from_json(codec_json(CODEC)) == CODEC
