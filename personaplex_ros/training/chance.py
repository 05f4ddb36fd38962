"""Drawing from a sequence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


def pick(options: Sequence[T], rng: np.random.Generator) -> T:
    """Draw one of the options, each as likely as the others."""
    return options[int(rng.integers(len(options)))]
