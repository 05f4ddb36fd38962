"""What goes on around those who speak, a while at a time: music, people, a television.

Making it takes longer than a step of the training, so it is made once, in parallel, and kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.children import worker_pool
from personaplex_ros.files import write_whole
from personaplex_ros.training.hearing.utterances import scaled
from personaplex_ros.training.sound.sounds import SURROUNDINGS_S, surroundings
from personaplex_ros.training.voices.speakers import Callers
from personaplex_ros.training.voices.speech_bank import at_level
from personaplex_ros.training.world import load_world


def build_surroundings(folder: Path, voices: Path, count: int, processes: int) -> Iterator[Path]:
    """Write whatever is not there of so many surroundings; yields each file when it is done.

    Those who talk are the synthesiser's voices and the recorded ones whose folders lie in
    ``voices``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:05d}.npy" for number in range(count)]
    jobs = [(path, number, voices) for number, path in enumerate(paths) if not path.is_file()]
    with worker_pool(processes) as pool:
        yield from pool.imap_unordered(_build, jobs)


def load_surroundings(folder: Path) -> list[NDArray[np.int16]]:
    """Read what ``build_surroundings`` wrote: int16 [n] at 24 kHz each, as loud as can be."""
    return [np.load(path, allow_pickle=False) for path in sorted(folder.glob("[0-9]*.npy"))]


def _build(job: tuple[Path, int, Path]) -> Path:
    path, number, voices = job
    rng = np.random.default_rng((16, number))
    sound = surroundings(load_world().elsewhere, SURROUNDINGS_S, Callers.open(voices), rng)
    samples = scaled(at_level(sound))

    def save(place: Path) -> None:
        with place.open("wb") as file:
            np.save(file, samples)

    write_whole(path, save)
    return path
