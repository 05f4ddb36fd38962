"""A folder of Full-Duplex-Bench: one sample a subfolder, v1.0 and v1.5."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from personaplex_ros.benchmark.tasks import V15_ANNOTATION, Task
from personaplex_ros.benchmark.words import read_json, span


@dataclass(frozen=True)
class Sample:
    """One sample.

    ``event`` is what it is about, (start, end) in seconds of ``input.wav``: the interruption or
    overlap; with smooth turn-taking it begins where the user's turn ends. None where the whole
    recording is.
    """

    task: Task
    folder: Path
    event: tuple[float, float] | None

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def input(self) -> Path:
        """What the user says."""
        return self.folder / "input.wav"

    @property
    def output(self) -> Path:
        """What the model says, in step with the input."""
        return self.folder / "output.wav"

    @property
    def words(self) -> Path:
        """What a recogniser hears in the output."""
        return self.folder / "output.json"

    @property
    def has_overlap(self) -> bool:
        """Whether it is a sample of v1.5, in which something is said into the model's turn."""
        return (self.folder / V15_ANNOTATION).is_file()


def read_samples(folder: Path, task: Task) -> list[Sample]:
    """Read the samples of a task, in the order of their numbers.

    A sample is a subfolder that holds ``input.wav``, ``output.wav`` or ``output.json``. Raises
    FileNotFoundError where there is none, or no annotation, and ValueError naming the file.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"--data {folder} is not a folder")
    inside = sorted((path for path in folder.iterdir() if path.is_dir()), key=in_order)
    chosen = [path for path in inside if _is_sample(path)]
    if not chosen:
        deeper = [path.name for path in inside if any(map(_is_sample, path.iterdir()))]
        hint = f"; give one of {', '.join(deeper)} in it" if deeper else ""
        raise FileNotFoundError(
            f"--data {folder} holds no samples: folders with an input.wav each{hint}"
        )
    return [Sample(task, path, _event(path, task)) for path in chosen]


def _is_sample(path: Path) -> bool:
    names = ("input.wav", "output.wav", "output.json")
    return path.is_dir() and any((path / name).is_file() for name in names)


def in_order(path: Path) -> list[tuple[int, str]]:
    """Return a sort key that puts 2 before 10."""
    return [(int(part or 0), text) for text, part in re.findall(r"(\D*)(\d*)", path.name)]


def _event(folder: Path, task: Task) -> tuple[float, float] | None:
    v15 = folder / V15_ANNOTATION
    if task.annotation is None:
        return None
    if v15.is_file() and (task.annotation == V15_ANNOTATION or task.name == "user_interruption"):
        content = read_json(v15)
        times = content.get("timestamps") if isinstance(content, dict) else None
        return span(f"{v15}: `timestamps`", times)
    path = folder / task.annotation
    content = read_json(path)
    if not isinstance(content, list) or not content or not isinstance(content[0], dict):
        raise ValueError(f"{path} must hold a list, its first entry with a `timestamp`")
    # Of a turn only the end counts, which comes first; public tools follow it by 0.0 or nothing.
    return span(
        f"{path}: `timestamp` of the first entry",
        content[0].get("timestamp"),
        needs_end=task.name != "smooth_turn_taking",
    )
