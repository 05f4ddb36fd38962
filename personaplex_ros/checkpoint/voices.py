"""Voice prompts: a wave file of the voice, or a ``.pt`` file with a voice already embedded.

The published voices come as ``voices.tgz`` in the checkpoint's folder; single members are read
from it without extracting anything.
"""

from __future__ import annotations

import io
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from personaplex_ros.audio.loudness import normalise_loudness
from personaplex_ros.audio.mono import to_mono
from personaplex_ros.audio.resample import resample
from personaplex_ros.audio.wave import read_wave
from personaplex_ros.checkpoint.embedded_voice import (
    LARGEST,
    EmbeddedVoice,
    read_embedded_voice,
)

SUFFIXES = (".pt", ".wav")
LOUDNESS = -24.0  # LUFS, ITU-R BS.1770, as in training


@dataclass(frozen=True)
class WaveVoice:
    """A voice as a sample of speech: float32 [n] at the codec's rate, at -24 LUFS."""

    samples: np.ndarray


def find_voice(voice: str | Path, folders: list[Path]) -> str:
    """Find a voice by path, or by name in the folders, their ``voices`` or their ``voices.tgz``.

    Returns a path, or ``archive.tgz:member``. Raises FileNotFoundError naming the voices there are,
    ValueError for an archive that is damaged.
    """
    path = Path(voice).expanduser()
    if path.is_file():
        return str(path)
    known: list[str] = []
    for folder in (place for root in folders for place in (root, root / "voices")):
        for suffix in ("", *SUFFIXES):
            candidate = folder / f"{voice}{suffix}"
            if candidate.is_file() and candidate.suffix in SUFFIXES:
                return str(candidate)
        if folder.is_dir():
            known += [p.stem for p in folder.iterdir() if p.suffix in SUFFIXES]
        archive = folder / "voices.tgz"
        if archive.is_file():
            with _archive(archive) as tar:
                for name in tar.getnames():
                    if Path(name).name in (str(voice), *(f"{voice}{s}" for s in SUFFIXES)):
                        return f"{archive}:{name}"
                    known += [Path(name).stem] if name.endswith(SUFFIXES) else []
    places = ", ".join(str(folder) for folder in folders)
    raise FileNotFoundError(
        f"no voice {str(voice)!r} (.wav or .pt) in {places}; there are: "
        f"{', '.join(sorted(set(known))) or 'none'}"
    )


def voice_names(folders: list[Path]) -> set[str]:
    """Return what ``find_voice`` finds by name alone: file names, with and without their suffix."""
    files: list[str] = []
    for folder in (place for root in folders for place in (root, root / "voices")):
        if folder.is_dir():
            files += [path.name for path in folder.iterdir()]
        archive = folder / "voices.tgz"
        if archive.is_file():
            with _archive(archive) as tar:
                files += [Path(name).name for name in tar.getnames()]
    voices = [name for name in files if name.endswith(SUFFIXES)]
    return {*voices, *(Path(name).stem for name in voices)}


def voice_file(source: str) -> tuple[Path, str]:
    """Return the file of what ``find_voice`` returned, and the member if it is an archive."""
    archive, _, member = source.partition(".tgz:")
    return (Path(archive + ".tgz"), member) if member else (Path(source), "")


def load_voice(source: str, sample_rate: int) -> WaveVoice | EmbeddedVoice:
    """Load what ``find_voice`` returned; wave files of any rate and channel count.

    Raises ValueError naming the file when it is not a voice.
    """
    file, member = voice_file(source)
    if member:
        return read_embedded_voice(io.BytesIO(_member(file, member)), source)
    if source.endswith(".pt"):
        with file.open("rb") as opened:
            return read_embedded_voice(opened, source)
    wave = read_wave(source)
    samples = resample(to_mono(wave.samples), wave.rate, sample_rate)
    try:
        return WaveVoice(normalise_loudness(samples, sample_rate, LOUDNESS))
    except ValueError as error:
        raise ValueError(f"voice {source}: {error}") from error


@contextmanager
def _archive(path: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(path, "r:gz") as tar:
            yield tar
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise ValueError(f"{path} is damaged ({error}); download it again") from error


def _member(archive: Path, name: str) -> bytes:
    with _archive(archive) as tar:
        info = tar.getmember(name)
        file = tar.extractfile(info) if info.isfile() and info.size <= LARGEST else None
        if file is None:
            raise ValueError(f"{archive}: {name} is not a regular file of reasonable size")
        return file.read()
