"""Checks of the files that a command is given, before it begins to work."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from pathlib import Path

from personaplex_ros.files import check_output, check_output_folder, is_standard_output

MAY_BE_EMPTY = ("--text-prompt", "--voice-prompt")
"""Options to which an empty text means something: no such prompt."""


def refuse_empty_words(words: Sequence[str]) -> None:
    """See that no option is given an empty text, as by a shell variable that is not set.

    Raises ValueError naming the option.
    """
    for before, word in zip(("", *words), words, strict=False):
        option = word.rstrip("=") if word.endswith("=") and word.startswith("--") else before
        empty = not word.strip() or option is not before
        if empty and not (len(option) > 2 and any(o.startswith(option) for o in MAY_BE_EMPTY)):
            which = option if option.startswith("-") else "an argument"
            raise ValueError(f"{which} is empty; leave it away, or give it a value")


def refuse_shared_paths(
    inputs: Mapping[str, str | Path | None], outputs: Mapping[str, Iterable[str | Path]]
) -> None:
    """See that no output would replace an input or another output.

    Both are given by the option that names them. Raises ValueError naming both options. What is
    no regular file, such as /dev/null, may be named twice.
    """
    taken = {_identity(path): option for option, path in inputs.items() if path}
    for option, paths in outputs.items():
        for path in paths:
            if os.path.exists(path) and not os.path.isfile(path):
                continue
            other = taken.setdefault(_identity(path), option)
            if other != option:
                raise ValueError(f"{option} would write over {path}, which is that of {other}")


@contextmanager
def outputs(files: Mapping[str, Iterable[str | Path]]) -> Iterator[None]:
    """See that the files that options name can be written; then do the work of the block.

    Where one of them is the standard output, what the block prints goes to the standard error.
    Raises OSError that names the option, the path and what is wrong with it.
    """
    piped = False
    for option, paths in files.items():
        for path in paths:
            with _naming(option):
                check_output(path)
            piped = piped or is_standard_output(path)
    with redirect_stdout(sys.stderr) if piped else nullcontext():
        yield


def check_folder(option: str, folder: str | Path, names: Sequence[str] = ()) -> None:
    """See that files of these names, or any, can be written in a folder, which need not be there.

    Raises OSError that names the option, the path and what is wrong with it.
    """
    with _naming(option):
        check_output_folder(folder, names)


@contextmanager
def _naming(option: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise type(error)(f"{option}: {error}") from error


def _identity(path: str | Path) -> object:
    """Return what is equal for two names of one file."""
    if os.path.exists(path):
        state = os.stat(path)
        return state.st_dev, state.st_ino
    return os.path.realpath(path)
