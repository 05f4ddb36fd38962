"""Python packages that are not everywhere where this one is."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

CYCLONE = "cyclonedds"
OF_THE_SERVER = ("aiohttp", "av", "prometheus_client")
RAY = "ray"
WITHOUT_CYCLONE_WHEELS = (3, 14)
"""The first Python for which PyPI has no wheel of cyclonedds."""


def without_cyclone(version: tuple[int, ...]) -> str:
    """Return what to do where cyclonedds is not installed for this version of Python."""
    remedy = f"`{sys.executable} -m pip install {CYCLONE}`"
    if version >= WITHOUT_CYCLONE_WHEELS:
        remedy = (
            "PyPI has it for Python 3.10 to 3.13, so use one of these for it (in the source tree: "
            "`make clean`, then `make demo PYTHON=python3.13`)"
        )
    return (
        f"the Python package {CYCLONE} is not installed for Python {version[0]}.{version[1]}, and "
        f"without ROS there is no DDS: {remedy}. Zenoh (RMW_IMPLEMENTATION=rmw_zenoh_cpp, and "
        "`pip install eclipse-zenoh`) does without it, as does the node under ROS 2: "
        "`ros2 launch personaplex_ros talk.launch.py`"
    )


def require(module: str) -> ModuleType:
    """Import a module; raises ImportError naming the remedy where it is not installed."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ImportError(
            f"training and evaluation need {module}: `pip install -r requirements-training.txt` in "
            "the source tree, `pip install 'personaplex_ros[training]'` where pip installed it"
        ) from error


def missing_package(error: ImportError) -> str:
    """Return what is missing and how to install it."""
    missing = (error.name or "").partition(".")[0]
    if missing == CYCLONE:
        return without_cyclone(sys.version_info[:2])
    if missing == RAY:
        return (
            f"personaplex fleet needs Ray: `{sys.executable} -m pip install "
            f"'ray[serve]' {' '.join(OF_THE_SERVER)}`; personaplex serve does without it"
        )
    if missing in OF_THE_SERVER:
        return (
            f"personaplex serve needs the Python package {missing}: "
            f"`{sys.executable} -m pip install {' '.join(OF_THE_SERVER)}`"
        )
    return (
        f"the Python package {error.name or error} cannot be imported by {sys.executable} "
        f"({error}); with ROS, source its setup file; install what requirements.txt names into a "
        "virtual environment (with ROS, one made with --system-site-packages)"
    )
