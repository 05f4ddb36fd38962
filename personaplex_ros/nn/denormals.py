"""Denormal numbers, which silence ends in, and which make some CPUs many times slower."""

from __future__ import annotations

import numpy as np
import torch


def flush_denormals() -> None:
    """Let this thread take denormal numbers for 0.

    The setting belongs to a thread and is inherited by the workers that it starts, so it must come
    before the thread's first parallel work.
    """
    for kind in (np.float32, np.float64):
        np.finfo(kind)  # numpy measures its denormals once, and warns where it finds none
    torch.set_flush_denormal(True)
