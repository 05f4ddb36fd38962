"""What a detector found: per conversation and speaker the times, as the benchmark's JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from personaplex_ros.benchmark.turnbench.truth import TASKS
from personaplex_ros.benchmark.words import write_json
from personaplex_ros.text_file import read_json

VERSION = 1
SPEAKERS = ("speaker_1", "speaker_2")


@dataclass(frozen=True)
class Found:
    """Of one speaker: when its turns end and when it takes the floor from the other, in seconds.

    A time is that by which all sound was heard that the decision needed.
    """

    eot: tuple[float, ...] = ()
    interruption: tuple[float, ...] = ()


Pair = tuple[Found, Found]  # of both speakers
Predictions = Mapping[str, Pair]  # by conversation


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write what ``read_predictions`` reads, and what the benchmark's own scorer takes."""
    entries = [
        {"conversation_id": name, SPEAKERS[0]: asdict(first), SPEAKERS[1]: asdict(second)}
        for name, (first, second) in predictions.items()
    ]
    write_json(path, {"schema_version": VERSION, "predictions": entries})


def read_predictions(path: Path, durations_s: Mapping[str, float]) -> Predictions:
    """Read the predictions for conversations of these names and lengths.

    Raises FileNotFoundError, or ValueError naming the file, the conversation and what is wrong.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist")
    content = read_json(path)
    _check_keys(str(path), content, ("schema_version", "predictions"))
    if content["schema_version"] != VERSION:
        raise ValueError(f"{path}: `schema_version` must be {VERSION}")
    if not isinstance(content["predictions"], list):
        raise ValueError(f"{path}: `predictions` must be a list of conversations")
    read: dict[str, Pair] = {}
    for number, entry in enumerate(content["predictions"], start=1):
        _check_keys(f"{path}: prediction {number}", entry, ("conversation_id", *SPEAKERS))
        name = entry["conversation_id"]
        if not isinstance(name, str) or name not in durations_s:
            raise ValueError(f"{path}: the data has no conversation {name!r}")
        if name in read:
            raise ValueError(f"{path}: conversation {name!r} stands twice")
        where = f"{path}: conversation {name!r}"
        first, second = (_found(f"{where}, {key}", entry[key], durations_s[name])
                         for key in SPEAKERS)  # fmt: skip
        read[name] = (first, second)
    missing = [name for name in durations_s if name not in read]
    if missing:
        raise ValueError(f"{path} says nothing of conversation {', '.join(missing)}")
    return read


def _found(where: str, entry: Any, duration_s: float) -> Found:
    _check_keys(where, entry, TASKS)
    return Found(**{task: _times(f"{where}, `{task}`", entry[task], duration_s) for task in TASKS})


def _times(where: str, times: Any, duration_s: float) -> tuple[float, ...]:
    if not isinstance(times, list) or not all(_is_number(one) for one in times):
        raise ValueError(f"{where} must be a list of times in seconds")
    for before, after in pairwise(times):
        if after <= before:
            raise ValueError(f"{where}: {after} follows {before}; times must increase")
    for at_s in times:
        if not 0 <= at_s <= duration_s:
            raise ValueError(f"{where}: {at_s} lies outside of the {duration_s:.2f} s of sound")
    return tuple(map(float, times))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _check_keys(where: str, entry: Any, keys: tuple[str, ...]) -> None:
    if not isinstance(entry, dict) or set(entry) != set(keys):
        raise ValueError(f"{where} must hold {', '.join(f'`{key}`' for key in keys)}, no more")
