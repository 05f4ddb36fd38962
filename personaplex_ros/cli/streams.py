"""Standard streams that a command can write to, whoever reads them or not."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable
from typing import Any


def open_streams() -> Callable[[], str]:
    """Make the standard output and error of this process ones to which printing never fails.

    What a reader does not want any more (`| head -1`), or never did (`>&-`), is dropped, and the
    work goes on. What an encoding does not know is written as its number. Returns what tells why
    the output was lost otherwise, such as on a full disk; the text is empty if it was not.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:  # closed: the next file that is opened would take its place
            os.open(os.devnull, os.O_RDWR)
    output, errors = _Outlet(1), _Outlet(2)
    sys.stdout, sys.stderr = _text(output, sys.stdout), _text(errors, sys.stderr)

    def lost() -> str:
        sys.stdout.flush()
        return output.problem

    return lost


def _text(outlet: _Outlet, before: Any) -> io.TextIOWrapper:
    unbuffered = getattr(before, "write_through", False)  # as PYTHONUNBUFFERED asks for
    return io.TextIOWrapper(
        io.BufferedWriter(outlet),
        encoding=getattr(before, "encoding", "utf-8"),
        errors="backslashreplace",
        line_buffering=unbuffered or getattr(before, "line_buffering", True),
    )


class _Outlet(io.RawIOBase):
    """Writes to a descriptor until that fails."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._open = True
        self.problem = ""

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._number

    def isatty(self) -> bool:
        with contextlib.suppress(OSError):
            return os.isatty(self._number)
        return False

    def write(self, data: Any) -> int:
        if self._open:
            try:
                return os.write(self._number, data)
            except BrokenPipeError:
                self._open = False
            except OSError as error:
                self._open = False
                self.problem = os.strerror(error.errno or 0)
        return len(data)
