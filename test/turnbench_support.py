"""Folders of two-channel conversations with annotations, for tests of TurnBench."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from personaplex_ros.audio import write_wave
from personaplex_ros.benchmark.turnbench.tracks import Entry, write_track

TURN = "Normal Turn"
TAKES = "Floor-taking Competitive Interruption"
TRIES = "Non-floor Taking Competitive Interruption"
MHM = "Continuer Backchannel"

Track = Sequence[tuple[float, float, str]]


def entries(track: Track) -> list[Entry]:
    """Return the entries of a track."""
    return [Entry(*one) for one in track]


def conversation(
    folder: Path, first: Sequence[Track], second: Sequence[Track], seconds: float = 20.0
) -> Path:
    """Make a conversation of silence, with each speaker's tracks, one an annotator."""
    folder.mkdir(parents=True)
    for speaker, tracks in enumerate((first, second), start=1):
        silence = np.zeros(round(seconds * 16_000), np.float32)
        write_wave(folder / f"speaker_{speaker}_audio.wav", silence, 16_000)
        for letter, track in zip("abc", tracks, strict=False):
            path = folder / f"speaker_{speaker}_annotation_{letter}.srt"
            write_track(path, entries(track))
    return folder
