"""The format in which a sound file is written, chosen by its name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class OutputFormat:
    """A container and an encoding, as libsndfile calls them."""

    container: str
    encoding: str


_FORMATS = {
    "": OutputFormat("WAV", "PCM_16"),  # devices and pipes
    ".wav": OutputFormat("WAV", "PCM_16"),
    ".wave": OutputFormat("WAV", "PCM_16"),
    ".flac": OutputFormat("FLAC", "PCM_16"),
    ".ogg": OutputFormat("OGG", "VORBIS"),
}


def output_format(path: str | Path) -> OutputFormat:
    """Return the format that the extension of a path asks for; WAV where it has none.

    Raises ValueError for an extension in whose format no sound is written here.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _FORMATS:
        raise ValueError(
            f"'{path}': no sound is written as '{suffix}'; name the file .wav, .flac or .ogg"
        )
    return _FORMATS[suffix]
