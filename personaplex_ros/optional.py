"""Python packages that are not everywhere where this one is."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType


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
    return (
        f"the Python package {error.name or error} cannot be imported by {sys.executable} "
        f"({error}); with ROS, source its setup file; install what requirements.txt names into a "
        "virtual environment (with ROS, one made with --system-site-packages)"
    )
