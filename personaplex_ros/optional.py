"""Packages that only evaluation needs."""

from __future__ import annotations

import importlib
from types import ModuleType


def require(module: str) -> ModuleType:
    """Import a module; raises ImportError naming the remedy where it is not installed."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ImportError(
            f"evaluation needs {module}: `pip install -r requirements-training.txt`"
        ) from error
