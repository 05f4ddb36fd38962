"""What a recogniser heard: words with times, as Full-Duplex-Bench stores them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from personaplex_ros.files import write_whole


@dataclass(frozen=True)
class HeardWord:
    """A word and when it was spoken, in seconds of the recording."""

    text: str
    start_s: float
    end_s: float


def read_words(path: Path) -> list[HeardWord]:
    """Read ``{"text", "chunks": [{"text", "timestamp": [start, end]}]}``, earliest word first.

    A word whose end is null, as some recognisers leave the last, ends where it starts. Raises
    FileNotFoundError, or ValueError naming the file and the entry.
    """
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get("chunks"), list):
        raise ValueError(f"{path} must hold a list `chunks` of words with their times")
    words = [_word(path, number, chunk) for number, chunk in enumerate(content["chunks"])]
    return sorted(words, key=lambda word: word.start_s)


def write_words(path: Path, words: Sequence[HeardWord]) -> None:
    """Write what ``read_words`` reads; the file appears when it is complete."""
    content = {
        "text": " ".join(word.text for word in words),
        "chunks": [
            {"text": word.text, "timestamp": [round(word.start_s, 3), round(word.end_s, 3)]}
            for word in words
        ],
    }
    write_json(path, content)


def read_json(path: Path) -> Any:
    """Read a JSON file. Raises FileNotFoundError, or ValueError naming the file."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not valid JSON: {error}") from error


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file; it appears when it is complete."""
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    write_whole(path, lambda target: target.write_text(text, encoding="utf-8"))


def span(path: Path, times: Any) -> tuple[float, float]:
    """Return start and end in seconds. Raises ValueError naming the file where they are not that.

    An end of null is the start.
    """
    start, end = times if isinstance(times, list) and len(times) == 2 else (None, None)
    end = start if end is None else end
    numbers = [value for value in (start, end) if isinstance(value, int | float)]
    if (
        len(numbers) < 2
        or not all(map(math.isfinite, numbers))
        or not 0 <= numbers[0] <= numbers[1]
    ):
        raise ValueError(f"{path}: {times!r} must be [start, end] in seconds, start first")
    return float(numbers[0]), float(numbers[1])


def _word(path: Path, number: int, chunk: Any) -> HeardWord:
    if not isinstance(chunk, dict) or not isinstance(chunk.get("text"), str):
        raise ValueError(f"{path}: chunk {number} must hold `text` and `timestamp`")
    return HeardWord(chunk["text"].strip(), *span(path, chunk.get("timestamp")))
