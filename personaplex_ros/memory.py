"""What the garbage collector is to leave alone, and memory that is given back."""

from __future__ import annotations

import atexit
import gc
import sys


def keep_from_collector() -> None:
    """Exempt all that is loaded now from garbage collection.

    A full pass over the objects of torch and a model takes tens of milliseconds, in the middle of
    a frame. At the end of the process all of it is collected like the rest.
    """
    gc.collect()
    gc.freeze()
    atexit.unregister(gc.unfreeze)  # that of an earlier call
    atexit.register(gc.unfreeze)


def release_memory() -> None:
    """Give back what engines that nobody uses any more still hold, also to other processes."""
    gc.unfreeze()
    gc.collect()
    torch = sys.modules.get("torch")  # nothing of it is held where nobody imported it
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
