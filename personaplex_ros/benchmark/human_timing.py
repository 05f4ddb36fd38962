"""When people say "mhm": the distributions that a model's backchannels are compared with."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from personaplex_ros.benchmark.score import Human
from personaplex_ros.benchmark.words import read_json

FILE = "icc_gt_distribution.json"  # as the benchmark calls it


def read_human_timing(path: Path) -> Human:
    """Read people's distributions of backchannels over time: ``{sample: [share of each bin]}``.

    Raises FileNotFoundError, or ValueError naming the file and the sample.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise ValueError(f"{path} must hold the distribution of each sample by its name")
    for name, shares in content.items():
        numbers = np.asarray(shares if isinstance(shares, list) else [], np.float64)
        usable = numbers.ndim == 1 and len(numbers) > 0 and np.isfinite(numbers).all()
        if not usable or numbers.min() < 0 or numbers.sum() <= 0:
            raise ValueError(f"{path}: sample {name!r} needs a list of shares that are not all 0")
    return content


def found_human_timing(folder: Path) -> Human:
    """Return the distributions of a folder of samples, or of the one above; none if there are."""
    for place in (folder, folder.resolve().parent):
        if (place / FILE).is_file():
            return read_human_timing(place / FILE)
    return {}
