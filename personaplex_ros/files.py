"""Files that are written whole or not at all, to whatever their path leads to.

Links are followed. A file that is there is replaced when its successor is complete, which then has
its mode, owner and attributes. Where none may take its place (a folder in which nothing may be
made, another owner, several hard links) it is overwritten, and keeps its old content unless there
is room for the new. What a process that was killed left unfinished (``.NAME.12345678.part``) is
removed when the same file is written again. Into a FIFO, a character device or a standard stream
the complete content is written.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import os
import secrets
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

BLOCK = 1 << 20  # bytes
ABANDONED_S = 10.0  # a temporary file is locked long before it is so old
_REASONS = {
    errno.ENOENT: "the folder {folder} does not exist; make it first",
    errno.ENOTDIR: "{folder} is no folder",
    errno.EISDIR: "it is a folder; name a file",
    errno.EACCES: "permission denied; change the mode of the file or folder, or write elsewhere",
    errno.EPERM: "not permitted to this user; write elsewhere",
    errno.EROFS: "the file system is read-only; write elsewhere",
    errno.ENAMETOOLONG: "the name is too long",
    errno.ELOOP: "its links lead in a circle",
    errno.ENOSPC: "no space left on device; make room, or write to another disk",
    errno.EDQUOT: "the disk quota is used up; make room, or write to another disk",
    errno.EFBIG: "the file would be larger than is allowed here (see `ulimit -f`)",
    errno.EPIPE: "its reader has gone",
}


def write_whole(path: str | Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a temporary file, and give its content to ``path`` when it is complete.

    Raises OSError that says in words why ``path`` cannot be written; it is then as it was.
    """
    whole = WholeFile(path)
    try:
        with told(path):
            write(whole.place)
        whole.finish()
    finally:
        whole.discard()


class WholeFile:
    """A file in the making: fill ``place``, then call ``finish``, and ``discard`` in any case.

    Raises OSError that says in words why the path cannot be written.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        with told(path):
            self._target = _target(path)
            beside = _beside(self._target)
            self._renames = beside is not None
            folder = Path(tempfile.gettempdir())
            self.place = beside or _new_file(folder, self._target.name)
            self._held = _hold(self.place)
            _remove_abandoned(self.place, self._target.name)

    def finish(self) -> None:
        """Give the content to the path; when this returns, all of it is on the disk."""
        with told(self.path):
            if self._renames:
                give_name(self.place, self._target)
            else:
                _pour(self.place, self._target)

    def discard(self) -> None:
        """Remove the temporary file if it is there."""
        self.place.unlink(missing_ok=True)
        if self._held >= 0:
            os.close(self._held)
            self._held = -1


def give_name(place: Path, target: Path) -> None:
    """Let a complete file take the place of another, with its mode, and settle on the disk."""
    _settle(place)
    if target.exists():
        shutil.copystat(target, place)
        os.utime(place)
    try:
        os.replace(place, target)
    except OSError as error:
        if error.errno != errno.EBUSY:  # it is a mount point, as of a container's volume
            raise
        _pour(place, target)
        place.unlink()
    with contextlib.suppress(OSError):
        _settle(target.parent)


def check_output(path: str | Path) -> None:
    """See that a file can be written, leaving no trace. Raises OSError that says why it cannot."""
    with told(path):
        place = _beside(_target(path))
        if place is not None:
            place.unlink()


def check_output_folder(path: str | Path, names: Sequence[str] = ()) -> None:
    """See that files can be written in a folder, which may have to be made: these, or new ones.

    Raises OSError that says why they cannot.
    """
    if not os.fspath(path):
        raise FileNotFoundError("the folder to write into has no name: the path is empty")
    folder = Path(path)
    with told(path):
        state = _state(folder)
        if state is not None and not stat.S_ISDIR(state.st_mode):
            raise NotADirectoryError(f"cannot write into {path}: it is a file; name a folder")
        missing = [place for place in (folder, *folder.parents) if _state(place) is None]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name in names or ("new",):
                check_output(folder / name)
        finally:
            for place in missing:
                with contextlib.suppress(FileNotFoundError):
                    place.rmdir()


def is_standard_output(path: str | Path) -> bool:
    """Tell whether what is written to a path goes where this process's standard output goes."""
    with contextlib.suppress(OSError):
        return _standard_stream(os.stat(path)) == 1
    return False


@contextlib.contextmanager
def told(path: str | Path) -> Iterator[None]:
    """Let an error of the system name the file that is written, and say what to do about it."""
    try:
        yield
    except OSError as error:
        if error.errno is None:  # it is told already
            raise
        reason = _REASONS.get(error.errno, os.strerror(error.errno))
        folder = Path(os.path.realpath(path)).parent
        raise type(error)(f"cannot write {path}: {reason.format(folder=folder)}") from error


def _target(path: str | Path) -> Path:
    """Return where a path leads to, if that can be written. Raises OSError if not."""
    if not os.fspath(path):
        raise FileNotFoundError("the file to write has no name: the path is empty")
    state, target = _state(path), Path(os.path.realpath(path))
    if state is None:
        os.stat(target.parent)
    elif _standard_stream(state):
        return Path(path)
    elif stat.S_ISDIR(state.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    elif stat.S_ISREG(state.st_mode):
        os.close(os.open(target, os.O_WRONLY))
    elif not stat.S_ISFIFO(state.st_mode) and not stat.S_ISCHR(state.st_mode):
        raise OSError(f"cannot write {path}: it is a block device or a socket; name a file")
    elif not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return target


def _beside(target: Path) -> Path | None:
    """Make a file that can take the place of a target; None where it has to be written itself."""
    state = _state(target)
    if state is None:
        return _new_file(target.parent, target.name)
    if not stat.S_ISREG(state.st_mode) or state.st_nlink > 1 or _standard_stream(state):
        return None
    try:
        place = _new_file(target.parent, target.name)
    except PermissionError:
        return None
    try:
        made = place.stat()
        if (made.st_uid, made.st_gid) != (state.st_uid, state.st_gid):
            os.chown(place, state.st_uid, state.st_gid)
    except PermissionError:
        place.unlink()
        return None
    return place


def _new_file(folder: Path, name: str) -> Path:
    """Make an empty file with the mode that any new file gets."""
    place = folder / f".{name[:40]}.{secrets.token_hex(4)}.part"
    os.close(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    return place


def _hold(place: Path) -> int:
    """Lock a temporary file as long as the handle that is returned is open, or this process is."""
    handle = os.open(place, os.O_RDONLY)
    with contextlib.suppress(OSError):  # some file systems know no locks
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return handle


def _remove_abandoned(own: Path, name: str) -> None:
    """Remove what processes that were killed left of the same file: old, and locked by nobody."""
    for place in own.parent.glob(f".{glob.escape(name[:40])}.{'[0-9a-f]' * 8}.part"):
        with contextlib.suppress(OSError):
            if place != own and time.time() - place.stat().st_mtime > ABANDONED_S:
                handle = os.open(place, os.O_RDONLY)
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    place.unlink()
                finally:
                    os.close(handle)


def _pour(place: Path, target: Path) -> None:
    """Write the content of a file into one that stays the one it is."""
    state = os.stat(target)
    stream = _standard_stream(state)
    if stream:
        (sys.stdout if stream == 1 else sys.stderr).flush()
    out = os.dup(stream) if stream else os.open(target, os.O_WRONLY)
    try:
        overwrites = stat.S_ISREG(state.st_mode) and not stream
        if overwrites:
            _reserve(out, state.st_size, place.stat().st_size)
        with place.open("rb") as content:
            while block := content.read(BLOCK):
                rest = memoryview(block)
                while rest:
                    rest = rest[os.write(out, rest) :]
        if overwrites:
            os.ftruncate(out, place.stat().st_size)
            os.fsync(out)
    finally:
        os.close(out)


def _reserve(out: int, size: int, needed: int) -> None:
    """Take the room that an open file needs to grow; if there is none, leave it as it is."""
    if needed > size:
        try:
            os.posix_fallocate(out, size, needed - size)
        except OSError:
            os.ftruncate(out, size)
            raise


def _settle(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _state(path: str | Path) -> os.stat_result | None:
    """Return what is known of what a path leads to, or None where there is nothing."""
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


def _standard_stream(state: os.stat_result) -> int:
    """Return 1 or 2 where a file is this process's standard output or error, else 0."""
    for stream in (1, 2):
        with contextlib.suppress(OSError):
            if os.path.samestat(state, os.fstat(stream)):
                return stream
    return 0
