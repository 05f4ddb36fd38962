"""What benchmarks over a bad line have in common: their options, and the rows that they find."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from network_line import why_not

from personaplex_ros.files import write_whole

Row = Mapping[str, object]


def add_options(parser: argparse.ArgumentParser, seeds: Sequence[int]) -> None:
    """Declare which conversations are held, and where their rows go."""
    parser.add_argument("--seeds", type=int, nargs="+", default=list(seeds))
    parser.add_argument("--json", type=Path)


def tell(rows: Iterable[Row], file: Path | None) -> int:
    """Print each row when it is found, and keep all; returns the program's exit status."""
    if problem := why_not():
        print(f"no line can be made here: {problem}")
        return 1
    found = []
    for row in rows:
        found.append(row)
        print(json.dumps(row), flush=True)
    keep(found, file)
    return 0


def keep(rows: Sequence[Row], file: Path | None) -> None:
    """Write the rows into a file, if one is named."""
    if file is not None:
        text = json.dumps(rows, indent=1) + "\n"
        write_whole(file, lambda path: path.write_text(text, encoding="utf-8"))
