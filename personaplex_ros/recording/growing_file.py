"""A file that grows while a process may be killed at any moment."""

from __future__ import annotations

import os
from pathlib import Path

from personaplex_ros.files import told

PRIVATE = 0o600  # it is people's voices: nobody but the owner reads or writes


class GrowingFile:
    """A new file that is written at once, with no buffer of this process; for one thread.

    What `write` was given is the system's when it returns, so that it survives the process.
    All raise OSError that says in words why the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        with told(path):
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            self._handle = os.open(path, flags, PRIVATE)

    def write(self, data: bytes) -> int:
        """Append bytes; return their number."""
        with told(self.path):
            rest = memoryview(data)
            place = self.size
            while rest:
                written = os.pwrite(self._handle, rest, place)
                rest, place = rest[written:], place + written
        self.size += len(data)
        return len(data)

    def patch(self, place: int, data: bytes) -> None:
        """Write a few bytes over those at `place`, all at once."""
        with told(self.path):
            os.pwrite(self._handle, data, place)

    def tell(self) -> int:
        """Return the place at which the next bytes go."""
        return self.size

    def flush(self) -> None:
        """Do nothing: nothing waits here."""

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._handle

    def close(self) -> None:
        """Close it; a second call does nothing."""
        if self._handle >= 0:
            handle, self._handle = self._handle, -1
            os.close(handle)
