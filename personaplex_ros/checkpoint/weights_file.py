"""Tensors in files: one safetensors file, or an index and the shards that it names."""

from __future__ import annotations

import re
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from personaplex_ros.checkpoint.recognition import SUPPORTED, foreign_file
from personaplex_ros.nn.configuration import shown
from personaplex_ros.text_file import read_json

INDEX = ".index.json"  # after the name of the file that was cut into shards
_SHARD = re.compile(r"(.*-)\d+(-of-\d+\.safetensors)")


class WeightsFile:
    """Open files of tensors, each of which is in one of them; use it in a ``with``."""

    def __init__(self, path: Path, device: torch.device | str):
        self._files: dict[str, Any] = {}
        self._metadata: dict[str, str] = {}
        with ExitStack() as opened:
            for part in parts_of(path):
                file = opened.enter_context(_opened(part, device))
                self._files |= dict.fromkeys(file.keys(), file)
                self._metadata |= file.metadata() or {}
            self._opened = opened.pop_all()

    def __enter__(self) -> WeightsFile:
        """Return itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close all files."""
        self._opened.close()

    def names(self) -> list[str]:
        """Return the names of all tensors."""
        return list(self._files)

    def metadata(self) -> dict[str, str]:
        """Return what the files tell besides their tensors."""
        return self._metadata

    def tensor(self, name: str) -> Tensor:
        """Read a tensor to the device."""
        return self._files[name].get_tensor(name)  # type: ignore[no-any-return]

    def part(self, name: str) -> Any:
        """Return what knows a tensor's shape and type, and reads the rows that it is asked for."""
        return self._files[name].get_slice(name)


def parts_of(path: Path) -> list[Path]:
    """Return the files that hold the tensors: the path itself, or the shards that an index names.

    Raises ValueError for an index that does not fit its shards, FileNotFoundError naming those that
    are missing.
    """
    if not path.name.endswith(INDEX):
        return [path]
    places = _places(path)
    shards = [path.parent / name for name in shard_names(path)]
    missing = [str(shard) for shard in shards if not shard.is_file()]
    if missing:
        raise FileNotFoundError(f"{path} names shards that are missing: {', '.join(missing)}")
    families = {found.groups() for name in places.values() if (found := _SHARD.fullmatch(name))}
    extra = [
        file.name
        for file in sorted(path.parent.glob("*.safetensors"))
        if (found := _SHARD.fullmatch(file.name))
        and found.groups() in families
        and file not in shards
    ]
    if extra:
        raise ValueError(f"{path} does not name {', '.join(extra)}; it belongs to other shards")
    for shard in shards:
        _compare(path, shard, {name for name, place in places.items() if place == shard.name})
    return shards


def shard_names(index: Path) -> list[str]:
    """Return the shards that an index names. Raises ValueError as ``parts_of`` does."""
    return sorted(set(_places(index).values()))


def stored_bytes(path: Path) -> int:
    """Return the size of a weights file, or of all its shards; raises as ``parts_of`` does."""
    return sum(part.stat().st_size for part in parts_of(path))


def _places(index: Path) -> dict[str, str]:
    """Read an index: the file name of every tensor. Raises ValueError for anything else."""
    places = read_json(index).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise ValueError(f"{index}: `weight_map` must name the shard of every tensor")
    for name, place in places.items():
        if not isinstance(place, str) or not is_inside(place) or "/" in place:
            raise ValueError(
                f"{index}: tensor {shown(name)} cannot be in {shown(place)}; it must be in a file "
                "beside the index"
            )
    return places


def is_inside(name: str) -> bool:
    """Tell whether a file name in a configuration stays within the folder of that."""
    parts = name.split("/")
    return bool(name.strip()) and not ({"", ".", ".."} & set(parts) or set(name) & set("\\:\0"))


def _compare(index: Path, shard: Path, expected: set[str]) -> None:
    with _opened(shard, "cpu") as file:
        found = set(file.keys())
    if found != expected:
        absent, surplus = (
            ", ".join(sorted(names)) or "none" for names in (expected - found, found - expected)
        )
        raise ValueError(
            f"{index} does not fit {shard}. Named in the index, not in the shard: "
            f"{absent}; in the shard, not named: {surplus}. "
            "They are of different versions; download both again"
        )


def _opened(path: Path, device: torch.device | str) -> Any:
    """Open a safetensors file; ValueError says what it is when it is none."""
    kind = foreign_file(path)
    try:
        return safe_open(path, framework="pt", device=str(device))
    except SafetensorError as error:
        if kind in ("", "empty", "a safetensors file"):
            kind = "empty" if kind == "empty" else "cut short or damaged"
            raise ValueError(
                f"{path} is not a complete safetensors file, it is {kind} ({error}); download it "
                "again"
            ) from error
        raise ValueError(f"{path} is not a safetensors file, but {kind}; {SUPPORTED}") from error
