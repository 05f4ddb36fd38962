"""What one annotator wrote of one speaker: a subtitle file, `[label] words` in each entry."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from personaplex_ros.files import write_whole
from personaplex_ros.text_file import read_text

_TIME = r"(\d+):(\d\d):(\d\d)[,.](\d{3})"
_TIMES = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}\s*")
_LABEL = re.compile(r"\[([^\]]+)\]")


@dataclass(frozen=True)
class Entry:
    """A labelled stretch, in seconds of the conversation."""

    start_s: float
    end_s: float
    label: str


def read_track(path: Path) -> list[Entry]:
    """Read a subtitle file (.srt). Raises ValueError naming the file, the line and what it must be.

    An empty file is a speaker of whom nothing was noted.
    """
    entries, lines = [], read_text(path).splitlines()
    for number, line in enumerate(lines, start=1):
        if "-->" not in line:
            continue
        times = _TIMES.fullmatch(line)
        if times is None:
            raise ValueError(
                f"{path}, line {number}: {line.strip()!r} must be two times such as "
                "`00:00:01,250 --> 00:00:02,500`"
            )
        start_s, end_s = _seconds(times.groups()[:4]), _seconds(times.groups()[4:])
        if end_s < start_s:
            raise ValueError(f"{path}, line {number}: it ends before it starts")
        text = lines[number].strip() if number < len(lines) else ""
        label = _LABEL.match(text)
        if label is None:
            raise ValueError(
                f"{path}, line {number + 1}: {text!r} must begin with a label, such as "
                "`[Normal Turn] words`"
            )
        entries.append(Entry(start_s, end_s, label[1].strip()))
    if not entries and any(line.strip() for line in lines):
        raise ValueError(f"{path} holds no entry of a subtitle file (.srt)")
    return entries


def write_track(path: Path, entries: Iterable[Entry]) -> None:
    """Write what ``read_track`` reads, to the millisecond."""
    text = "".join(
        f"{number}\n{_stamp(entry.start_s)} --> {_stamp(entry.end_s)}\n[{entry.label}]\n\n"
        for number, entry in enumerate(entries, start=1)
    )
    write_whole(path, lambda target: target.write_text(text, encoding="utf-8"))


def _seconds(parts: Iterable[str]) -> float:
    hours, minutes, seconds, milliseconds = map(int, parts)
    return (hours * 3_600_000 + minutes * 60_000 + seconds * 1000 + milliseconds) / 1000


def _stamp(seconds: float) -> str:
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    minutes, rest = divmod(whole, 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest:02d},{milliseconds:03d}"
