"""Files and folders that are something else than a checkpoint: told what they are."""

from __future__ import annotations

import io
import shutil
import struct
import zipfile
from pathlib import Path

import pytest
import torch
from reference import write_checkpoint
from safetensors.torch import load_file, save_file

from personaplex_ros.checkpoint import CheckpointFiles
from personaplex_ros.cli import main
from personaplex_ros.engine import Engine


def zipped() -> bytes:
    buffer = io.BytesIO()
    torch.save({"emb.0.weight": torch.zeros(2)}, buffer)
    assert zipfile.is_zipfile(buffer)
    return buffer.getvalue()


FOREIGN = [  # a file, and what is said of it
    pytest.param(b"GGUF" + struct.pack("<IQQ", 3, 1, 1), "a GGUF file, for llama.cpp", id="gguf"),
    pytest.param(
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
        "git lfs pull",
        id="lfs",
    ),
    pytest.param(b"<!DOCTYPE html>\n<html><body>Log in</body></html>", "a web page", id="html"),
    pytest.param(b"\n<html>\n", "a web page", id="page"),
    pytest.param(zipped(), r"torch\.save", id="zip"),
    pytest.param(b"\x1f\x8b\x08" + bytes(20), "an archive", id="gzip"),
    pytest.param(b"\x80\x02}q\x00.", "a pickle", id="pickle"),
    pytest.param(b"\x08\x07\x12\x07pytorch", "an ONNX file", id="onnx"),
    pytest.param(b'{"error": "Repository not found"}', "a JSON file", id="json"),
    pytest.param(b"Entry not found", "a text", id="text"),
]


@pytest.fixture
def checkpoint(small_checkpoint: Path, tmp_path: Path) -> Path:
    """Return a copy that a test may damage."""
    return Path(shutil.copytree(small_checkpoint, tmp_path / "checkpoint"))


@pytest.mark.parametrize("file", ["model.safetensors", "mimi.safetensors"])
@pytest.mark.parametrize(("data", "kind"), FOREIGN)
def test_another_kind_of_file_is_told(checkpoint: Path, file: str, data: bytes, kind: str) -> None:
    (checkpoint / file).write_bytes(data)
    with pytest.raises(
        ValueError, match=rf"{file} is not a safetensors file, but .*{kind}"
    ) as error:
        Engine.load(checkpoint, device="cpu")
    assert "weights are taken as .safetensors" in str(error.value)


def test_an_empty_file_is_told(checkpoint: Path) -> None:
    (checkpoint / "model.safetensors").write_bytes(b"")
    with pytest.raises(ValueError, match=r"model\.safetensors.*it is empty.*download it again"):
        Engine.load(checkpoint, device="cpu")


@pytest.mark.parametrize(("data", "kind"), [*FOREIGN, (b"", "empty")])
def test_a_tokenizer_that_is_something_else_is_told(
    checkpoint: Path, data: bytes, kind: str
) -> None:
    (checkpoint / "tokenizer.model").write_bytes(data)
    with pytest.raises(ValueError, match=rf"tokenizer\.model is not a SentencePiece model.*{kind}"):
        Engine.load(checkpoint, device="cpu")


@pytest.mark.parametrize(
    ("name", "kind"),
    [("transformer.layers.0.self_attn.in_projs.0.lora_A.weight", "a LoRA adapter: merge"),
     ("text_linear.scales", "MLX has quantised"), ("text_linear.weight_scale", "quantised"),
     ("decoder.model.layers.0.mlp.fc1.weight", "transformers")],
)  # fmt: skip
def test_tensors_of_something_else_are_told(checkpoint: Path, name: str, kind: str) -> None:
    path = checkpoint / "model.safetensors"
    save_file(load_file(path) | {name: torch.zeros(2, 2)}, path)
    with pytest.raises(ValueError, match=rf"model\.safetensors holds .*{kind}"):
        Engine.load(checkpoint, device="cpu")


def test_a_language_model_as_codec_is_told(checkpoint: Path) -> None:
    shutil.copy(checkpoint / "model.safetensors", checkpoint / "mimi.safetensors")
    with pytest.raises(ValueError, match=r"mimi\.safetensors holds a language model, not a codec"):
        Engine.load(checkpoint, device="cpu")


@pytest.mark.parametrize(
    ("name", "kind"),
    [("moshi-q8_0.gguf", "GGUF"), ("pytorch_model.bin", "pickle"), ("model.ckpt", "pickle"),
     ("moshi.nemo", "NeMo"), ("lm.onnx", "ONNX"), ("adapter_config.json", "LoRA")],
)  # fmt: skip
def test_a_folder_of_another_format_is_told(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / name).write_bytes(b"GGUF")
    with pytest.raises(FileNotFoundError, match=rf"missing: .*It has {name} \(.*{kind}") as error:
        CheckpointFiles.find(tmp_path)
    assert "weights are taken as .safetensors" in str(error.value)


def test_a_file_in_place_of_a_folder_is_told(
    checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gguf = checkpoint / "moshi.gguf"
    gguf.write_bytes(b"GGUF" + bytes(20))
    for path, kind in (
        (gguf, "a GGUF file"),
        (checkpoint / "model.safetensors", "a safetensors file"),
    ):
        words = ["offline", "--input-wav", "config/demo/caller.wav", "--checkpoint", str(path)]
        assert main(words) == 2
        said = capsys.readouterr().err
        assert f"{path} is a file ({kind}" in said and "give the folder that holds" in said


def test_a_repository_of_the_hub_s_cache_is_its_snapshot(tmp_path: Path) -> None:
    cache = tmp_path / "models--nvidia--personaplex-7b-v1"
    old, new = (cache / "snapshots" / commit for commit in ("a" * 40, "b" * 40))
    write_checkpoint(new)
    assert CheckpointFiles.find(cache).directory == new
    old.mkdir()
    with pytest.raises(ValueError, match=r"Hugging Face's cache with 2 snapshots; give the folder"):
        CheckpointFiles.find(cache)
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text("b" * 40 + "\n")
    assert CheckpointFiles.find(cache).directory == new
