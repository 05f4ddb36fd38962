"""Loading a checkpoint: what is read, in which type, and how every defect of a file is named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from reference import (
    CODEC,
    GREEDY,
    PIECES,
    codec_json,
    converse,
    talk,
    tokenizer_bytes,
    write_checkpoint,
)
from safetensors.torch import load_file, save_file
from torch import Tensor

from personaplex_ros.checkpoint import CheckpointFiles
from personaplex_ros.engine import Engine, Persona
from personaplex_ros.mimi import MimiConfig

Tensors = dict[str, Tensor]


@pytest.fixture
def checkpoint(small_checkpoint: Path, tmp_path: Path) -> Path:
    """Return a copy that a test may damage."""
    return Path(shutil.copytree(small_checkpoint, tmp_path / "checkpoint"))


def change(path: Path, how: Callable[[Tensors], Any]) -> None:
    tensors = load_file(path)
    how(tensors)
    save_file(tensors, path)


def configure(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize("file", ["model.safetensors", "mimi.safetensors"])
def test_every_wrong_tensor_is_named_in_one_error(checkpoint: Path, file: str) -> None:
    missing, misshapen, integer = sorted(load_file(checkpoint / file))[3:6]

    def damage(tensors: Tensors) -> None:
        del tensors[missing]
        tensors[misshapen] = tensors[misshapen][..., None].contiguous()
        tensors[integer] = tensors[integer].to(torch.int32)
        tensors["extra.weight"] = torch.zeros(3)

    change(checkpoint / file, damage)
    with pytest.raises(ValueError) as error:
        Engine.load(checkpoint, device="cpu")
    text = str(error.value)
    assert str(checkpoint / file) in text
    for part in (f"missing: {missing}", "surplus: extra.weight", f"misshapen: {misshapen} is [",
                 f"of a type that cannot be loaded: {integer} is I32"):  # fmt: skip
        assert part in text


def test_however_many_tensors_are_missing_each_is_named(checkpoint: Path) -> None:
    taken: list[str] = []

    def damage(tensors: dict[str, torch.Tensor]) -> None:
        taken.extend(name for name in list(tensors) if "decoder.model" in name)
        for name in taken:
            del tensors[name]

    change(checkpoint / "mimi.safetensors", damage)
    with pytest.raises(ValueError) as error:
        Engine.load(checkpoint, device="cpu")
    assert len(taken) > 20
    assert all(name in str(error.value) for name in taken)


def test_nothing_is_read_before_the_header_is_right(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(checkpoint / "model.safetensors", lambda tensors: tensors.pop("out_norm.alpha"))
    monkeypatch.setattr("personaplex_ros.checkpoint.loading._read", lambda *_: pytest.fail("read"))
    with pytest.raises(ValueError, match=r"missing: out_norm\.alpha"):
        Engine.load(checkpoint, device="cpu")


def test_a_whole_layer_that_is_missing_is_noticed(checkpoint: Path) -> None:
    change(checkpoint / "model.safetensors", lambda tensors: [
        tensors.pop(name) for name in list(tensors) if name.startswith("transformer.layers.1.")
    ])  # fmt: skip
    with pytest.raises(ValueError, match=r"`num_layers` is 2, the file has 1"):
        Engine.load(checkpoint, device="cpu")


def test_a_file_without_a_language_model_is_refused(checkpoint: Path) -> None:
    shutil.copy(checkpoint / "mimi.safetensors", checkpoint / "model.safetensors")
    with pytest.raises(ValueError, match=r"model\.safetensors holds a codec \(Mimi\), not a"):
        Engine.load(checkpoint, device="cpu")


@pytest.mark.parametrize("file", ["model.safetensors", "mimi.safetensors"])
@pytest.mark.parametrize("part", [0, 0.0001, 0.7, 0.9999])
def test_a_truncated_file_is_refused_by_name(checkpoint: Path, file: str, part: float) -> None:
    path = checkpoint / file
    data = path.read_bytes()
    path.write_bytes(data[: int(part * len(data))])
    with pytest.raises(ValueError, match=rf"{file} is not a complete safetensors file.*again"):
        Engine.load(checkpoint, device="cpu")


def test_all_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is not complete") as error:
        Engine.load(tmp_path, device="cpu")
    for name in ("model.safetensors", "tokenizer-e351c8d8-checkpoint125.safetensors",
                 "tokenizer_spm_32k_3.model"):  # fmt: skip
        assert str(tmp_path / name) in str(error.value)


def test_a_folder_that_does_not_exist_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"no checkpoint folder nowhere"):
        Engine.load("nowhere", device="cpu")


def test_single_files_can_lie_elsewhere(checkpoint: Path, tmp_path: Path) -> None:
    moved = tmp_path / "codec.safetensors"
    (checkpoint / "mimi.safetensors").rename(moved)
    with pytest.raises(FileNotFoundError, match=r"mimi\.safetensors"):
        CheckpointFiles.find(checkpoint)
    engine = Engine.load(CheckpointFiles.find(checkpoint, mimi=moved), device="cpu")
    assert engine.codec.config == CODEC


@pytest.mark.parametrize("data", [b"", b"no model", b"\x00" * 100])
def test_a_damaged_tokenizer_is_refused_by_name(checkpoint: Path, data: bytes) -> None:
    (checkpoint / "tokenizer.model").write_bytes(data)
    with pytest.raises(ValueError, match=r"tokenizer\.model is not a SentencePiece model"):
        Engine.load(checkpoint, device="cpu")


@pytest.mark.parametrize("pieces", [PIECES - 20, PIECES + 20])
def test_the_tokenizer_of_another_model_is_refused(checkpoint: Path, pieces: int) -> None:
    (checkpoint / "tokenizer.model").write_bytes(tokenizer_bytes(pieces))
    with pytest.raises(ValueError, match=f"{pieces} pieces, the language model has {PIECES}"):
        Engine.load(checkpoint, device="cpu")


def test_the_codec_of_another_model_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    codec = MimiConfig.from_json(codec_json(CODEC) | {"quantizer": {
        "dimension": CODEC.code_dimension, "bins": CODEC.cardinality, "n_q": 4,
    }})  # fmt: skip
    few = write_checkpoint(tmp_path / "few", codec=codec)
    for name in ("mimi.safetensors", "mimi_config.json"):
        shutil.copy(few / name, checkpoint / name)
    with pytest.raises(ValueError, match=r"has 4 codebooks, .*model\.safetensors needs 8"):
        Engine.load(checkpoint, device="cpu")


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [({"dtype": "int8"}, "dtype is 'int8'.*float32, bfloat16, float16"),
     *(({"device": name}, f"device '{name}' is not known; devices are auto, cpu, cuda")
       for name in ("abacus", "xpu", "mps", "meta", "vulkan", "cpu:1", "", "CPU", "cuda:-1")),
     *([] if torch.cuda.is_available() else [({"device": "cuda"}, "no CUDA device; use cpu"),
                                             ({"device": "cuda:9"}, "no CUDA device; use cpu")])],
)  # fmt: skip
def test_unknown_devices_and_types_are_refused(
    small_checkpoint: Path, wrong: dict[str, str], problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        Engine.load(small_checkpoint, **({"device": "cpu"} | wrong))  # type: ignore[arg-type]


def test_the_one_cpu_has_a_number_too(small_checkpoint: Path) -> None:
    assert Engine.load(small_checkpoint, device="cpu:0").device == torch.device("cpu")


def test_a_checkpoint_that_is_replaced_while_it_is_used_goes_on_speaking(checkpoint: Path) -> None:
    engine = Engine.load(checkpoint, device="cpu")
    frames = talk(engine, 0.8)
    expected = converse(engine.open(Persona("x"), GREEDY), frames)
    engine = Engine.load(checkpoint, device="cpu")
    session = engine.open(Persona("x"), GREEDY)
    for name in ("model.safetensors", "mimi.safetensors"):  # as `personaplex download` does
        (checkpoint / "successor").write_bytes(b"another")
        (checkpoint / "successor").replace(checkpoint / name)
    assert converse(session, frames) == expected
