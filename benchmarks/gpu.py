"""What a GPU does with the full-size model, random weights, nothing to download.

usage: python benchmarks/gpu.py [--json FILE] [--only SECTION,...]

Sections: bandwidth, products, frame, persona, sessions, parity, drift. Each prints a table; one
that fails says so, and the others go on. Without a GPU it says that it did not run, and its
exit status is 1.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from gpu_agreement import measure_drift, measure_parity
from gpu_setup import Row, Setup
from gpu_speed import (
    measure_bandwidth,
    measure_frame,
    measure_persona,
    measure_products,
    measure_sessions,
)

from personaplex_ros.files import write_whole
from personaplex_ros.lm import LMConfig
from personaplex_ros.mimi import MimiConfig

WEIGHTS = (None, "int8", "float8")  # None: as the type of the model
SECTIONS: dict[str, Callable[[Setup], Iterator[Row]]] = {
    "bandwidth": measure_bandwidth,
    "products": measure_products,
    "frame": measure_frame,
    "persona": measure_persona,
    "sessions": measure_sessions,
    "parity": measure_parity,
    "drift": measure_drift,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--only", default=",".join(SECTIONS), metavar="SECTION,...")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        print("this benchmark DID NOT RUN: torch finds no CUDA device here", file=sys.stderr)
        return 1
    device = torch.device("cuda")
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, CUDA {torch.version.cuda}")
    capable = torch.cuda.get_device_capability() >= (8, 9)
    setup = Setup(
        device, replace(LMConfig(), depth_steps=8), MimiConfig(), torch.bfloat16,
        WEIGHTS if capable else WEIGHTS[:2], (1, 2, 4, 8, 16, 32, 64), 200, 1500,
    )  # fmt: skip
    results = run(setup, arguments.only.split(","))
    results["machine"] = {"gpu": torch.cuda.get_device_name(), "torch": torch.__version__}
    if arguments.json:
        write_whole(arguments.json, lambda place: place.write_text(json.dumps(results, indent=1)))
    return 0


def run(setup: Setup, names: list[str]) -> dict[str, Any]:
    """Run sections one after the other; what one raises is told and kept as its result."""
    results: dict[str, Any] = {}
    for name in names:
        print(f"\n{name}", flush=True)
        started = time.perf_counter()
        try:
            results[name] = list(SECTIONS[name](setup))
            print_table(results[name])
        except Exception as error:
            traceback.print_exc()
            results[name] = f"failed: {type(error).__name__}: {error}"
        print(f"({time.perf_counter() - started:.0f} s)", flush=True)
        gc.collect()
        if setup.device.type == "cuda":
            torch.cuda.empty_cache()
    return results


def print_table(rows: list[Row]) -> None:
    """Print rows under the names of their columns."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    widths = [max(len(name), 10, *(len(shown(row.get(name))) for row in rows)) for name in names]
    for cells in (names, *([shown(row.get(name)) for name in names] for row in rows)):
        print("  ".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True)))


def shown(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
