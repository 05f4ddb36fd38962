"""Files of every kind that is read, damaged or made up: refused in words, whatever is in them."""

from __future__ import annotations

import io
import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
import yaml
from fuzz_support import NUMBERS, damaged, values
from hypothesis import given
from hypothesis import strategies as st

from personaplex_ros.audio import read_wave
from personaplex_ros.checkpoint import CheckpointFiles, TextTokenizer
from personaplex_ros.checkpoint.embedded_voice import read_embedded_voice
from personaplex_ros.checkpoint.inspection import inspect, read_shapes
from personaplex_ros.node.hosts.names import NodeName, parse_ros_arguments
from personaplex_ros.node.parameters.definition import ParameterError
from personaplex_ros.node.parameters.start import start_parameters
from personaplex_ros.node.parameters.table import PARAMETERS
from personaplex_ros.persona import Persona, load_persona


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def refused_in_words(
    read: Callable[[], Any], name: str, kinds: tuple[type[Exception], ...] = (ValueError,)
) -> Any:
    """Return what was read, or None where it was refused by an error that names the file."""
    try:
        return read()
    except kinds as error:
        assert name in str(error) and "Traceback" not in str(error)
        return None


# Checkpoints


def header(entries: Any, data: bytes = b"", size: int | None = None) -> bytes:
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text) if size is None else size) + text + data


TENSORS = {
    "__metadata__": {"format": "pt"},
    "a.weight": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]},
    "b.weight": {"dtype": "BF16", "shape": [4], "data_offsets": [16, 24]},
}
ENTRIES = st.fixed_dictionaries(
    {},
    optional={
        "dtype": st.sampled_from(("F32", "BF16", "F64", "I8", "X7", "")) | values(),
        "shape": st.lists(NUMBERS | st.integers(-3, 2**64), max_size=4) | values(),
        "data_offsets": st.lists(NUMBERS | st.integers(-3, 2**64), max_size=3) | values(),
        "more": values(),
    },
)
HEADERS = st.dictionaries(
    st.sampled_from(("a.weight", "b.weight", "__metadata__", "../c")) | st.text(max_size=8),
    ENTRIES | values(),
    max_size=4,
)
CHECKPOINTS = (
    damaged(header(TENSORS, bytes(24)))
    | st.builds(header, HEADERS, st.binary(max_size=64))
    | st.builds(header, st.just(TENSORS), st.binary(max_size=24), NUMBERS | st.just(2**63))
)


@given(CHECKPOINTS)
def test_weights(folder: Path, content: bytes) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(content)
    refused_in_words(lambda: read_shapes(path), path.name)


@pytest.fixture(scope="module")
def checkpoint(small_checkpoint: Path, folder: Path) -> Path:
    return Path(shutil.copytree(small_checkpoint, folder / "checkpoint"))


def test_configurations(checkpoint: Path) -> None:
    known = {
        name: json.loads((checkpoint / name).read_text())
        for name in ("config.json", "mimi_config.json")
    }
    numbers = NUMBERS | st.integers(-(2**63), 2**63) | st.floats()

    @given(st.data())
    def change(data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(known)))
        content = json.loads(json.dumps(known[name]))
        place = content
        while isinstance(place, dict):
            key = data.draw(st.sampled_from(sorted(place)))
            if not isinstance(place[key], dict) or data.draw(st.booleans()):
                place[key] = data.draw(numbers | values() | st.lists(numbers, max_size=20))
                break
            place = place[key]
        (checkpoint / name).write_text(json.dumps(content))
        refused_in_words(
            lambda: inspect(CheckpointFiles.find(checkpoint)),
            str(checkpoint), (ValueError, FileNotFoundError),
        )  # fmt: skip
        (checkpoint / name).write_text(json.dumps(known[name]))

    change()
    inspect(CheckpointFiles.find(checkpoint))


@given(st.data())
def test_json_of_any_content(checkpoint: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(("model.safetensors.index.json", "config.json")))
    kept = (checkpoint / "config.json").read_bytes()
    whole = json.dumps({"weight_map": {"a": "model-00001-of-00001.safetensors"}}).encode()
    made = st.builds(lambda value: json.dumps(value).encode(), values())
    (checkpoint / name).write_bytes(data.draw(damaged(whole) | made | st.binary(max_size=60)))
    try:
        refused_in_words(
            lambda: inspect(CheckpointFiles.find(checkpoint, model=checkpoint / name)),
            str(checkpoint), (ValueError, FileNotFoundError),
        )  # fmt: skip
    finally:
        (checkpoint / "config.json").write_bytes(kept)


def test_tokenizers(checkpoint: Path, folder: Path) -> None:
    whole, path = (checkpoint / "tokenizer.model").read_bytes(), folder / "tokenizer.model"

    @given(damaged(whole, 400) | damaged(whole) | st.binary(max_size=100))
    def read(content: bytes) -> None:
        path.write_bytes(content)
        tokenizer = refused_in_words(lambda: TextTokenizer(path), path.name)
        if tokenizer is not None:
            refused_in_words(lambda: tokenizer.spell("Hello 5!"), "")

    read()


# Voices and sounds


def voice() -> bytes:
    file = io.BytesIO()
    content = {"embeddings": torch.zeros(3, 1, 1, 8), "cache": torch.zeros(1, 17, 4).long()}
    torch.save(content, file)
    return file.getvalue()


@given(damaged(voice()) | damaged(voice(), 300))
def test_embedded_voices(content: bytes) -> None:
    read = refused_in_words(lambda: read_embedded_voice(io.BytesIO(content), "EVE.pt"), "EVE.pt")
    assert read is None or bool(read.embeddings.isfinite().all())


def sound(kind: str, encoding: str) -> bytes:
    file = io.BytesIO()
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (480, 2))
    soundfile.write(file, noise, 24_000, encoding, format=kind)
    return file.getvalue()


SOUNDS = {
    "a.wav": sound("WAV", "PCM_16"),
    "b.wav": sound("WAV", "FLOAT"),
    "c.flac": sound("FLAC", "PCM_16"),
    "d.ogg": sound("OGG", "VORBIS"),
}


@given(st.data())
def test_sounds(folder: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(SOUNDS)))
    path = folder / name
    path.write_bytes(data.draw(damaged(SOUNDS[name], 60) | damaged(SOUNDS[name])))
    wave = refused_in_words(lambda: read_wave(path), name)
    if wave is not None:
        assert np.isfinite(wave.samples).all() and wave.duration_s > 0 and len(wave.remark) >= 0


# Files that people write

TEXTS = st.text(max_size=60) | st.sampled_from(
    ("&a [*a]", "a: &a {b: *a}", "<<: 5", "!!python/object/apply:os.system [ls]", "? - a\n: b",
     "- " * 500, "{" * 2000, "'" + "a" * 5000, "2001-99-99", "0x", "1_0", "\ufeffa: b", "a\tb: c")
)  # fmt: skip


@given(st.data())
def test_personas(folder: Path, data: st.DataObject) -> None:
    path = folder / "someone.yaml"
    fields = st.fixed_dictionaries(
        {}, optional={"name": values(), "text_prompt": values(), "voice": values()}
    )
    whole = b"name: someone\ntext_prompt: >\n  You are kind.\nvoice: NATF0\n"
    content = data.draw(
        damaged(whole) | st.builds(lambda v: yaml.safe_dump(v).encode(), fields)
        | st.builds(lambda t: t.encode("utf-8", "surrogatepass"), TEXTS)
    )  # fmt: skip
    path.write_bytes(content)
    persona = refused_in_words(lambda: load_persona(path), path.name)
    assert persona is None or isinstance(persona, Persona)


@given(st.data())
def test_parameter_files(folder: Path, data: st.DataObject) -> None:
    path = folder / "params.yaml"
    names = st.sampled_from([parameter.name for parameter in PARAMETERS]) | st.text(max_size=10)
    section = st.dictionaries(names, values(), max_size=4)
    node = st.sampled_from(("/**", "personaplex", "/*/personaplex", "/a/**/b", "**")) | st.text(
        max_size=8
    )
    file = st.dictionaries(node, st.fixed_dictionaries({"ros__parameters": section}), max_size=3)
    whole = b"/**:\n  ros__parameters:\n    seed: 5\n    hold_timeout_s: 8\n"
    content = data.draw(
        damaged(whole) | st.builds(lambda v: yaml.safe_dump(v).encode(), file | values())
        | st.builds(lambda t: t.encode("utf-8", "surrogatepass"), TEXTS)
    )  # fmt: skip
    path.write_bytes(content)
    arguments = parse_ros_arguments(["--ros-args", "--params-file", str(path)])
    read = refused_in_words(
        lambda: start_parameters(arguments, NodeName("personaplex")), "", (ParameterError,)
    )
    assert read is None or read.parameters.as_dict()
