"""From the folder of a recording to what a timeline shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from personaplex_ros.audio import read_wave
from personaplex_ros.timeline import Mark, Recording, Word, is_drawn, state_spans, words_from_pieces

from .folder import EVENTS, WAVE
from .lines import read_lines


@dataclass
class _Told:
    title: str = ""
    pieces: list[tuple[float, str]] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    holds: list[tuple[float, bool]] = field(default_factory=list)
    heard: list[Word] = field(default_factory=list)


def read_folder(folder: Path) -> Recording:
    """Read a recording, also one whose process was killed.

    Raises FileNotFoundError where a file is missing and ValueError where one is not what it should
    be, both naming it.
    """
    for name in (EVENTS, WAVE):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"'{folder}' is no recording: it has no {name}; name the folder of one conversation"
            )
    wave = read_wave(folder / WAVE)
    if wave.samples.shape[1] != 2:
        raise ValueError(f"{folder / WAVE}: {wave.samples.shape[1]} channels; a recording has two")
    told = _read_events(folder / EVENTS, wave.duration_s)
    try:
        return Recording(
            sample_rate=wave.rate,
            user=wave.samples[:, 0],
            agent=wave.samples[:, 1],
            words=words_from_pieces(sorted(told.pieces, key=lambda piece: piece[0])),
            marks=tuple(told.marks),
            title=told.title or folder.name,
            hold=state_spans(told.holds, wave.duration_s),
            heard=tuple(told.heard),
        )
    except ValueError as error:
        raise ValueError(f"{folder}: {error}") from error


def _read_events(path: Path, duration_s: float) -> _Told:
    """Return what falls into the sound."""
    told = _Told()
    for content in read_lines(path):
        try:
            if float(content["t"]) < duration_s:
                _take(content, told)
        except KeyError as error:
            raise ValueError(f"{path}: a line of type {content['type']} has no {error}") from error
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path}: a line of type {content['type']}: {error}") from error
    return told


def _take(content: dict[str, Any], told: _Told) -> None:
    at_s, kind = float(content["t"]), content["type"]
    if kind == "recording":
        told.title = str(content.get("title", ""))
    elif kind == "text":
        told.pieces.append((at_s, str(content["text"])))
    elif kind == "user_utterance":
        told.heard.append(Word(str(content["text"]), at_s, float(content["end"])))
    elif kind == "hold":
        told.holds.append((at_s, bool(content["value"])))
    elif kind == "turn_event":
        event = (content["kind"], content["state"], content["revises"])
        if is_drawn(*event):
            told.marks.append(Mark(event[0], at_s, float(content["decided"])))
