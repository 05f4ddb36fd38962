"""Fetch sounds that nobody made for nano, and people who greet: for benchmarks/surroundings.py.

usage: python benchmarks/surroundings_sounds.py DIR

Downloads packages of Debian with `apt-get download`, takes the sounds out of them and writes them
as WAV files into folders of DIR, one a kind; names what could not be had. Nothing is installed, and
nothing of it may be passed on without its licence: music on hold (CC BY), prompts of one woman
(CC BY-SA), voices and music of Hedgewars (GFDL and others), freedesktop's telephones (GPL).
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
from pathlib import Path

import soundfile

HEDGEWARS, ASTERISK = "hedgewars-data", "asterisk-core-sounds-en-wav"
MUSIC_ON_HOLD, DESKTOP = "asterisk-moh-opsound-wav", "sound-theme-freedesktop"
VOICES = "usr/share/games/hedgewars/Data/Sounds/voices"
PROMPTS = "usr/share/asterisk/sounds"
SOURCES = {
    "music": [(MUSIC_ON_HOLD, "usr/share/asterisk/moh/*.wav"),
              (HEDGEWARS, "usr/share/games/hedgewars/Data/Music/*.ogg")],
    "babble": [(HEDGEWARS, f"{VOICES}/*/*.ogg")],
    "telephone": [(DESKTOP, "usr/share/sounds/freedesktop/stereo/phone-*.oga")],
    "laughter": [(HEDGEWARS, f"{VOICES}/*/Laugh.ogg")],
    "television": [(ASTERISK, f"{PROMPTS}/*/*.wav")],
    "coughs": [(HEDGEWARS, f"{VOICES}/*/PoisonCough.ogg")],
    "hello": [(HEDGEWARS, f"{VOICES}/{{English}}/Hello.ogg"), (ASTERISK, f"{PROMPTS}/*/hello.wav")],
    "goodbye": [(HEDGEWARS, f"{VOICES}/{{English}}/Byebye.ogg"),
                (ASTERISK, f"{PROMPTS}/*/*goodbye.wav")],
    "thanks": [(ASTERISK, f"{PROMPTS}/*/*thank*you*.wav")],
}  # fmt: skip
ENGLISH = ("British", "Classic", "Default", "HillBilly", "Mobster", "Pirate", "Singer", "Surfer")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="DIR")
    folder = parser.parse_args().folder
    with tempfile.TemporaryDirectory() as place:
        there = {
            name: unpacked(name, Path(place) / name)
            for name in sorted({name for some in SOURCES.values() for name, _ in some})
        }
        for kind, sources in SOURCES.items():
            files = [
                file
                for name, pattern in sources
                for one in named(pattern)
                if (root := there[name]) is not None
                for file in sorted(root.glob(one))
            ]
            for number, file in enumerate(files):
                target = folder / kind / f"{number:03d}_{file.parent.name}_{file.stem}.wav"
                convert(file, target)
            print(f"{kind}: {len(files)} files")


def unpacked(package: str, folder: Path) -> Path | None:
    """Return where a package's files lie; None, with a word why, where it cannot be had."""
    folder.mkdir()
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        print(f"{package}: this is no Debian")
        return None
    got = subprocess.run(
        ["apt-get", "download", package], cwd=folder, capture_output=True, text=True
    )
    archive = next(folder.glob("*.deb"), None)
    if got.returncode or archive is None:
        print(f"{package}: {got.stderr.strip().splitlines()[-1:]}")
        return None
    subprocess.run(["dpkg-deb", "-x", archive, folder], check=True)
    return folder


def named(pattern: str) -> list[str]:
    """Return a pattern for each of the voices who speak English, where it is about these."""
    return [pattern.replace("{English}", name) for name in ENGLISH] if "{" in pattern else [pattern]


def convert(source: Path, target: Path) -> None:
    """Write a sound as 16-bit WAV."""
    samples, rate = soundfile.read(source, dtype="float32")
    target.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(target, samples, rate, subtype="PCM_16")


if __name__ == "__main__":
    main()
