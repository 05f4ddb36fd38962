"""A folder of conversations in the benchmark's layout: one a subfolder, a file for each speaker.

```
DIR/ID/speaker_1_audio.wav, speaker_2_audio.wav               (or .flac)
DIR/ID/speaker_{1,2}_annotation_{a,b,c}.srt                   at least one of each speaker
```
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import soundfile

from personaplex_ros.benchmark.sample import in_order
from personaplex_ros.benchmark.turnbench.labels import KINDS
from personaplex_ros.benchmark.turnbench.predictions import SPEAKERS
from personaplex_ros.benchmark.turnbench.tracks import Entry, read_track
from personaplex_ros.benchmark.turnbench.truth import Truths, build_truth

FORMATS = (".wav", ".flac")
APART_S = 0.1  # that the speakers' files may differ in length


@dataclass(frozen=True)
class Conversation:
    """Two speakers' sounds, how long they last, and what is true of each."""

    name: str
    sounds: tuple[Path, Path]
    duration_s: float
    truths: tuple[Truths, Truths]
    unknown: frozenset[str]  # labels that the benchmark does not have

    @property
    def annotated(self) -> bool:
        """Whether anything is known of either speaker; of the benchmark's test set nothing is."""
        return any(
            truth.events_s or truth.negatives or truth.excluded
            for truths in self.truths
            for truth in (truths.eot, truths.interruption)
        )


def read_conversations(folder: Path) -> list[Conversation]:
    """Read all conversations, in the order of their numbers.

    Raises FileNotFoundError or ValueError that name the file and what it must be.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"--data {folder} is not a folder")
    inside = sorted((path for path in folder.iterdir() if path.is_dir()), key=in_order)
    chosen = [path for path in inside if any(path.glob("speaker_*_audio.*"))]
    if not chosen:
        deeper = [path.name for path in inside if any(path.glob("*/speaker_*_audio.*"))]
        hint = f"; give one of {', '.join(deeper)} in it" if deeper else ""
        raise FileNotFoundError(
            f"--data {folder} holds no conversations: folders with speaker_1_audio.wav and "
            f"speaker_2_audio.wav each{hint}"
        )
    conversations = [_read(path) for path in chosen]
    seen = sorted({label for one in conversations for label in one.unknown})
    if seen and not any(one.annotated for one in conversations):
        raise ValueError(
            f"--data {folder}: no annotation has a label of the benchmark, such as "
            f"[{next(iter(KINDS))}]; it has {', '.join(seen)}"
        )
    return conversations


def _read(folder: Path) -> Conversation:
    first, second = (_sound(folder, speaker) for speaker in SPEAKERS)
    lengths_s = [_duration_s(path) for path in (first, second)]
    if abs(lengths_s[0] - lengths_s[1]) > APART_S:
        raise ValueError(
            f"{first} lasts {lengths_s[0]:.2f} s and {second.name} {lengths_s[1]:.2f} s: both "
            "must be of one conversation, from its begin to its end"
        )
    tracks = (_tracks(folder, SPEAKERS[0]), _tracks(folder, SPEAKERS[1]))
    labels = {entry.label for side in tracks for track in side for entry in track}
    unknown = frozenset(labels - set(KINDS))
    return Conversation(folder.name, (first, second), min(lengths_s), build_truth(tracks), unknown)


def _sound(folder: Path, speaker: str) -> Path:
    paths = [folder / f"{speaker}_audio{ending}" for ending in FORMATS]
    found = next((path for path in paths if path.is_file()), None)
    if found is None:
        raise FileNotFoundError(f"{paths[0]} does not exist, nor {paths[1].name}")
    return found


def _duration_s(path: Path) -> float:
    try:
        return float(soundfile.info(path).duration)
    except soundfile.LibsndfileError as error:
        raise ValueError(f"{path} is not a sound file: {error}") from error


def _tracks(folder: Path, speaker: str) -> list[list[Entry]]:
    paths = sorted(folder.glob(f"{speaker}_annotation_*.srt"))
    if not paths:
        raise FileNotFoundError(
            f"{folder / speaker}_annotation_a.srt does not exist: what {speaker} does, "
            "for each annotator in a subtitle file"
        )
    return [read_track(path) for path in paths]
