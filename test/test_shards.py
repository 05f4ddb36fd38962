"""Weights that are cut into shards: they load as one file does, or it is told what does not fit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from reference import GREEDY, converse, talk
from safetensors.torch import load_file, save_file

from personaplex_ros.engine import Engine, Persona

INDEX = "model.safetensors.index.json"
FIRST, SECOND = (f"model-0000{k}-of-00002.safetensors" for k in (1, 2))


@pytest.fixture
def sharded(small_checkpoint: Path, tmp_path: Path) -> Path:
    """Return the small checkpoint, its language model cut into two shards."""
    folder = Path(shutil.copytree(small_checkpoint, tmp_path / "sharded"))
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(tensors)
    places = {name: FIRST if k < len(names) // 2 else SECOND for k, name in enumerate(names)}
    for shard in (FIRST, SECOND):
        save_file({n: t for n, t in tensors.items() if places[n] == shard}, folder / shard)
    write(folder, places)
    return folder


def write(folder: Path, places: object) -> None:
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": places}))


def places_of(folder: Path) -> dict[str, str]:
    places: dict[str, str] = json.loads((folder / INDEX).read_text())["weight_map"]
    return places


def test_shards_speak_as_the_whole_does(small_checkpoint: Path, sharded: Path) -> None:
    said = []
    for folder in (small_checkpoint, sharded):
        engine = Engine.load(folder, device="cpu")
        said.append(converse(engine.open(Persona("x"), GREEDY), talk(engine, 0.8)))
    assert said[0] == said[1] and len(np.unique(said[0])) > 10


def test_a_shard_that_is_missing_is_named(sharded: Path) -> None:
    (sharded / SECOND).unlink()
    with pytest.raises(FileNotFoundError, match=f"{INDEX} names shards.*missing: .*/{SECOND}$"):
        Engine.load(sharded, device="cpu")


def test_a_shard_that_is_not_named_is_refused(sharded: Path) -> None:
    extra = FIRST.replace("00001-of", "00003-of")
    shutil.copy(sharded / FIRST, sharded / extra)
    with pytest.raises(ValueError, match=f"{INDEX} does not name {extra}"):
        Engine.load(sharded, device="cpu")


def test_a_tensor_in_the_wrong_shard_is_named(sharded: Path) -> None:
    places = places_of(sharded)
    name = min(places)
    write(sharded, places | {name: SECOND})
    with pytest.raises(ValueError, match=rf"{INDEX} does not fit .*{FIRST}.*not named: {name}\."):
        Engine.load(sharded, device="cpu")


@pytest.mark.parametrize(
    "place", ["../outside.safetensors", "/etc/passwd", "a/b.safetensors", "", "..", 7, None]
)
def test_a_shard_lies_beside_its_index(sharded: Path, place: object) -> None:
    shutil.copy(sharded / FIRST, sharded.parent / "outside.safetensors")
    places = places_of(sharded)
    name = min(places)
    write(sharded, places | {name: place})
    with pytest.raises(ValueError, match=rf"{INDEX}: tensor '{name}' cannot be in .* beside the"):
        Engine.load(sharded, device="cpu")


@pytest.mark.parametrize("places", [None, [], {}, "text"])
def test_an_index_without_a_map_is_refused(sharded: Path, places: object) -> None:
    write(sharded, places)
    with pytest.raises(ValueError, match=rf"{INDEX}: `weight_map` must name"):
        Engine.load(sharded, device="cpu")
