"""Processes that end with the one that started them, however it ends.

They watch a pipe whose other end closes with that process. Linux could send a signal
(PR_SET_PDEATHSIG), but does so when the starting *thread* ends, and not if that was before the
child asked for it.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from multiprocessing import resource_tracker
from multiprocessing.pool import Pool

ORPHAN_S = 5.0
"""How long a process may take to end after the one that started it."""


def end_with_standard_input() -> None:
    """From now on, let the closing of the standard input end this process as Ctrl-C would."""
    threading.Thread(target=_watch_standard_input, name="standard input", daemon=True).start()


@contextlib.contextmanager
def worker_pool(processes: int) -> Iterator[Pool]:
    """Open a pool of fresh processes, one a task, that leave Ctrl-C to this one."""
    resource_tracker.ensure_running()  # it changes the signal mask when it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        # The pool's threads and processes, those of later tasks, too, inherit the mask.
        context = multiprocessing.get_context("spawn")
        pool = context.Pool(processes, initializer=_end_with_parent, maxtasksperchild=1)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    with pool:
        yield pool


def _watch_standard_input() -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    # The main thread must be the one that is interrupted, or it would sleep on.
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    time.sleep(ORPHAN_S)
    os._exit(1)


def _end_with_parent() -> None:
    threading.Thread(target=_watch_parent, name="parent", daemon=True).start()


def _watch_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
