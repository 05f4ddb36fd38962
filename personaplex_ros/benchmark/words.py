"""What a recogniser heard: words with times, as Full-Duplex-Bench stores them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from personaplex_ros.files import write_whole

LONGEST_S = 1e6  # later times are none: no recording lasts for eleven days


@dataclass(frozen=True)
class HeardWord:
    """A word and when it was spoken, in seconds of the recording."""

    text: str
    start_s: float
    end_s: float


def read_words(path: Path) -> list[HeardWord]:
    """Read ``{"text", "chunks": [{"text", "timestamp": [start, end]}]}``, earliest word first.

    As recognisers write it: a word whose end is null or before its start ends where it starts, and
    one without any time, which the published scripts leave out as well, is not read. Raises
    FileNotFoundError, or ValueError naming the file and the entry.
    """
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get("chunks"), list):
        raise ValueError(f"{path} must hold a list `chunks` of words with their times")
    words = [_word(path, number, chunk) for number, chunk in enumerate(content["chunks"])]
    return sorted((word for word in words if word is not None), key=lambda word: word.start_s)


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
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not valid JSON: {error}") from error


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file; it appears when it is complete."""
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    write_whole(path, lambda target: target.write_text(text, encoding="utf-8"))


def span(where: str, times: Any, *, needs_end: bool = True) -> tuple[float, float]:
    """Return start and end in seconds; ValueError saying ``where`` where they are not that.

    If ``needs_end`` is false, an end that is missing, null or before the start is the start.
    """
    given = times if isinstance(times, list) and len(times) in (1, 2) else [None]
    start, end = _seconds(given[0]), _seconds(given[-1])
    if not needs_end and start is not None:
        is_open = given[-1] is None or (end is not None and end < start)
        end = start if is_open else end
    if start is None or end is None or end < start or (needs_end and len(given) < 2):
        form = "[start, end]" if needs_end else "[start, end] or [start]"
        raise ValueError(f"{where} is {times!r}; it must be {form} in seconds, start first")
    return start, end


def _seconds(value: Any) -> float | None:
    """Return a time from the recording's begin on; None for what is none."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if 0 <= value < LONGEST_S else None


def _word(path: Path, number: int, chunk: Any) -> HeardWord | None:
    if not isinstance(chunk, dict) or not isinstance(chunk.get("text"), str):
        raise ValueError(f"{path}: chunk {number} must hold `text` and `timestamp`")
    times = chunk.get("timestamp")
    if times is None or times == [None, None]:
        return None
    where = f"{path}: `timestamp` of chunk {number}"
    return HeardWord(chunk["text"].strip(), *span(where, times, needs_end=False))
