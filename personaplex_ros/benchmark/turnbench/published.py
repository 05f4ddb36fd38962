"""The published data set: tables (.parquet) with a conversation a row, made a folder for each.

A row holds `conversation_id`, `speaker_{1,2}_audio` as a file's bytes, and
`speaker_{1,2}_annotation_{a,b,c}` as lists of `start_s`, `end_s`, `label`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from personaplex_ros.benchmark.turnbench.predictions import SPEAKERS
from personaplex_ros.benchmark.turnbench.tracks import Entry, write_track
from personaplex_ros.files import write_whole

ENDINGS = {b"RIFF": ".wav", b"RF64": ".wav", b"fLaC": ".flac"}  # by a file's first bytes
ANNOTATORS = "abc"


def tables(folder: Path) -> list[Path]:
    """Return the tables in a folder and below."""
    return sorted(folder.rglob("*.parquet"))


def unpack(folder: Path) -> None:
    """Write a folder for each conversation of the tables beside them; those there are kept.

    Raises ValueError naming the table, and the row, that is none of the benchmark.
    """
    import pyarrow
    import pyarrow.parquet

    columns = ["conversation_id", *(f"{speaker}_audio" for speaker in SPEAKERS)]
    columns += [f"{who}_annotation_{letter}" for who in SPEAKERS for letter in ANNOTATORS]
    for path in tables(folder):
        try:
            table = pyarrow.parquet.ParquetFile(path)
            missing = [name for name in columns if name not in table.schema_arrow.names]
            if missing:
                raise ValueError(f"{path} has no column {', '.join(missing)}")
            for batch in table.iter_batches(batch_size=1, columns=columns):
                for row in batch.to_pylist():
                    _write(folder, path, row)
        except pyarrow.ArrowException as error:
            raise ValueError(f"{path} cannot be read: {error}") from error


def _write(folder: Path, path: Path, row: Mapping[str, Any]) -> None:
    name = row["conversation_id"]
    if not isinstance(name, str) or not re.fullmatch(r"\w[\w.-]*", name):
        raise ValueError(f"{path}: `conversation_id` {name!r} is no name of a folder")
    place = folder / name
    if any((place / f"{SPEAKERS[-1]}_audio{ending}").is_file() for ending in ENDINGS.values()):
        return
    place.mkdir(exist_ok=True)
    for speaker in SPEAKERS:
        for letter in ANNOTATORS:
            column = f"{speaker}_annotation_{letter}"
            try:
                track = [Entry(e["start_s"], e["end_s"], e["label"]) for e in row[column] or ()]
                write_track(place / f"{column}.srt", track)
            except (KeyError, TypeError) as error:
                where = f"{path}: `{column}` of conversation {name!r}"
                raise ValueError(f"{where} must list `start_s`, `end_s` and `label`") from error
        _write_sound(place / f"{speaker}_audio", row[f"{speaker}_audio"], path)


def _write_sound(place: Path, sound: Any, path: Path) -> None:
    data = sound.get("bytes") if isinstance(sound, dict) else None
    content = data if isinstance(data, bytes) else b""
    ending = ENDINGS.get(content[:4])
    if ending is None:
        raise ValueError(f"{path}: {place.parent.name}'s `{place.name}` holds no WAV or FLAC file")
    write_whole(place.with_suffix(ending), lambda target: target.write_bytes(content))
