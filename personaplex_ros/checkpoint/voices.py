"""Voice prompts: a wave file of the voice, or a ``.pt`` file with a voice already embedded.

The published voices come as ``voices.tgz`` in the checkpoint's folder; single members are read
from it without extracting anything.
"""

from __future__ import annotations

import io
import pickle
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import torch
from torch import Tensor

from personaplex_ros.audio.loudness import normalise_loudness
from personaplex_ros.audio.mono import to_mono
from personaplex_ros.audio.resample import resample
from personaplex_ros.audio.wave import read_wave

SUFFIXES = (".pt", ".wav")
LOUDNESS = -24.0  # LUFS, ITU-R BS.1770, as in training
LARGEST_MEMBER = 256 << 20  # bytes; the published voices have about 1 MB


@dataclass(frozen=True)
class WaveVoice:
    """A voice as a sample of speech: float32 [n] at the codec's rate, at -24 LUFS."""

    samples: np.ndarray


@dataclass(frozen=True)
class EmbeddedVoice:
    """A voice as the summed embeddings [T, D] of its columns and the grid's last columns.

    ``grid`` is int64 [rows, width]; column c at index c mod width.
    """

    embeddings: Tensor
    grid: Tensor


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
        return _embedded(io.BytesIO(_member(file, member)), source)
    if source.endswith(".pt"):
        with file.open("rb") as opened:
            return _embedded(opened, source)
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
        file = tar.extractfile(info) if info.isfile() and info.size <= LARGEST_MEMBER else None
        if file is None:
            raise ValueError(f"{archive}: {name} is not a regular file of reasonable size")
        return file.read()


def _embedded(file: IO[bytes], source: str) -> EmbeddedVoice:
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
        embeddings, grid = content["embeddings"], content["cache"]
        if embeddings.shape[1:3] != (1, 1) or embeddings.dim() != 4 or grid.dim() != 3:
            raise ValueError(f"embeddings {list(embeddings.shape)}, cache {list(grid.shape)}")
    except (pickle.UnpicklingError, RuntimeError, LookupError, TypeError, ValueError, EOFError,
            OSError, AttributeError) as error:  # fmt: skip
        raise ValueError(
            f"voice {source} is not a dict of `embeddings` [T, 1, 1, D] and `cache` "
            f"[1, rows, width]: {str(error).partition(chr(10))[0] or type(error).__name__}"
        ) from error
    if len(embeddings) == 0 or not embeddings.is_floating_point():
        raise ValueError(f"voice {source}: embeddings have no columns, or are not float")
    if not embeddings.isfinite().all():
        raise ValueError(f"voice {source}: embeddings are not finite; download it again")
    return EmbeddedVoice(embeddings[:, 0, 0], grid[0].long())
