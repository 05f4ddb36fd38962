"""Where the data that belongs to the package lies: config/, msg/, srv/, action/, checkpoints/."""

from __future__ import annotations

import os
from pathlib import Path

PACKAGE = "personaplex_ros"


def share_directory() -> Path:
    """Return the folder that holds config/, msg/, srv/, action/, launch/ and checkpoints/.

    pip puts it into the package, a source tree has it beside the package, and a ROS workspace in
    its prefix (``AMENT_PREFIX_PATH``, REP-122). Raises FileNotFoundError naming what was tried.
    """
    package = Path(__file__).resolve().parent
    prefixes = [Path(p) for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    candidates = [package / "share", package.parent]
    candidates += [prefix / "share" / PACKAGE for prefix in prefixes]
    for candidate in candidates:
        if (candidate / "config" / "personas").is_dir():
            return candidate
    tried = ", ".join(str(c) for c in candidates)
    raise FileNotFoundError(
        f"the data of {PACKAGE} (config/, msg/) was not found in: {tried}; "
        "source the workspace's setup file or install the package again"
    )
