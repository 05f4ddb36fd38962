"""Where the data that belongs to the package lies: config/, msg/, srv/, action/, checkpoints/."""

from __future__ import annotations

import os
import sys
from pathlib import Path

PACKAGE = "personaplex_ros"


def share_directory() -> Path:
    """Return the folder that holds config/, msg/, srv/, action/ and checkpoints/.

    A source tree answers for itself; an installed package looks into every ROS prefix
    (``AMENT_PREFIX_PATH``, REP-122) and then into Python's own prefix.

    Raises FileNotFoundError naming every place that was tried.
    """
    prefixes = [Path(p) for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    candidates = [Path(__file__).resolve().parent.parent]
    candidates += [prefix / "share" / PACKAGE for prefix in [*prefixes, Path(sys.prefix)]]
    for candidate in candidates:
        if (candidate / "config" / "personas").is_dir():
            return candidate
    tried = ", ".join(str(c) for c in candidates)
    raise FileNotFoundError(
        f"the data of {PACKAGE} (config/, msg/) was not found in: {tried}; "
        "source the workspace's setup file or install the package again"
    )
