"""The folder that holds recordings: their names, how much room they take, and which make way."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from personaplex_ros.files import check_output_folder, told

from .bag import METADATA, STORE, complete, is_complete
from .folder import BAG, EVENTS, TRANSCRIPT, WAVE

FILES = (WAVE, EVENTS, TRANSCRIPT, f"{BAG}/{STORE}", f"{BAG}/{METADATA}", f"{BAG}/.{STORE}.part")
"""What a recording consists of; only this is ever deleted, and what was drawn of it."""
DRAWN = ("timeline.png", "timeline.html")
NAME = re.compile(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ_\w+(-\d+)?")


@dataclass(frozen=True)
class Limits:
    """When a recording goes on in another folder, and how much room all may take, in bytes.

    reserve: what stays free on the disk for others.
    """

    split_s: float
    split: int
    total: int
    reserve: int


class Archive:
    """Recordings side by side in one folder, of one robot or of several, oldest first by name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def check(self) -> None:
        """Raise OSError, in words, if recordings cannot be made here; leaves no trace."""
        check_output_folder(self.folder)

    def new(self, robot: str) -> Path:
        """Make the folder of a new recording, for its owner's eyes only."""
        name = f"{datetime.now(timezone.utc):%Y-%m-%dT%H-%M-%SZ}_{robot}"
        with told(self.folder / name):
            if not self.folder.is_dir():
                self.folder.mkdir(mode=0o700, parents=True)
            for number in range(1, 1000):
                path = self.folder / (name if number == 1 else f"{name}-{number}")
                with contextlib.suppress(FileExistsError):
                    path.mkdir(mode=0o700)
                    return path
            raise FileExistsError(f"cannot record into {path}: there are too many of this second")

    def recordings(self) -> list[Path]:
        """Return the folders of all recordings, oldest first."""
        if not self.folder.is_dir():
            return []
        return sorted(
            path
            for path in self.folder.iterdir()
            if NAME.fullmatch(path.name) and not path.is_symlink() and (path / EVENTS).is_file()
        )

    def free(self) -> int:
        """Return how many bytes of the disk are free for this user."""
        place = next(p for p in (self.folder.absolute(), *self.folder.absolute().parents)
                     if p.is_dir())  # fmt: skip
        state = os.statvfs(place)
        return state.f_bavail * state.f_frsize

    def make_room(self, total: int, present: Path | None) -> tuple[int, list[Path]]:
        """Delete the oldest recordings until all take at most `total` bytes.

        The present one and those that others write stay. Returns what all but the present one
        take now, and which were deleted. Looks at every file: not for each frame.
        """
        recordings = self.recordings()
        taken = {path: _size(path) for path in recordings}
        excess = sum(taken.values()) - total
        deleted = []
        for path in recordings:
            if excess <= 0:
                break
            if path != present and _delete(path):
                excess -= taken.pop(path)
                deleted.append(path)
        return sum(size for path, size in taken.items() if path != present), deleted

    def complete_bags(self, reserve: int) -> list[tuple[Path, str]]:
        """Complete the bags of recordings whose process was killed.

        Returns them with what was wrong, empty where all went well. `reserve` bytes stay free.
        """
        tried = []
        for path in self.recordings():
            problem = ""
            try:
                if not _lacks_index(path):
                    continue
                if self.free() - (path / BAG / STORE).stat().st_size < reserve:
                    raise OSError(f"there is no room on the disk of {self.folder}")
                if not complete_bag(path):
                    continue
            except Exception as error:  # whatever is in such a file, the robot is to start
                problem = str(error) or type(error).__name__
            tried.append((path, problem))
        return tried


def complete_bag(recording: Path) -> bool:
    """Complete the bag of a recording whose process was killed; tell whether there was any to do.

    One that is being written is left alone. Raises OSError that says why it cannot be completed.
    """
    if not _lacks_index(recording):
        return False
    with _at_rest(recording) as rests:
        if rests:
            complete(recording / BAG)
        return rests


def _lacks_index(recording: Path) -> bool:
    return (recording / BAG / STORE).is_file() and not is_complete(recording / BAG)


def _size(folder: str | Path) -> int:
    """Return how many bytes are in a folder, whatever they are."""
    total = 0
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                total += _size(entry.path)
            else:
                total += entry.stat(follow_symlinks=False).st_size
    return total


def _delete(recording: Path) -> bool:
    """Delete what makes up a recording, unless somebody writes it; tell whether."""
    with _at_rest(recording) as rests:
        if not rests:
            return False
        with contextlib.suppress(OSError):
            for name in (*FILES, *DRAWN):  # the events last, which mark it as a recording
                if name != EVENTS:
                    (recording / name).unlink(missing_ok=True)
            (recording / EVENTS).unlink()
            if (recording / BAG).is_dir():
                (recording / BAG).rmdir()
            recording.rmdir()
        return not (recording / EVENTS).exists()


@contextlib.contextmanager
def _at_rest(recording: Path) -> Iterator[bool]:
    """Yield whether nobody writes a recording; nobody begins to within the block."""
    try:
        handle = os.open(recording / EVENTS, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        yield False
        return
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)
