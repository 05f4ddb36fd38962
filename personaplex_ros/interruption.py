"""What SIGINT (Ctrl-C), SIGTERM and SIGHUP do to a program: it cleans up, and says nothing.

Entry points import this first, and all else within `interruptible`: in what Python does before,
SIGINT has the effect that Python gives it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any


def interruptible(program: Callable[[Interruption], int], own: bool = True) -> int:
    """Run a program; return its exit status, or 128 + its number for a signal that ended it.

    ``own`` tells that the process has nothing else to do. Ctrl-C then changes nothing any more when
    the program has ended, while Python takes the process down; the other signals end it.
    """
    status = 0
    with Interruption(own) as interruption:
        try:
            status = program(interruption)
            interruption.over()
        except BaseException:
            if not interruption.status:
                raise
    return interruption.status or status


class Interruption:
    """Within the block the signals raise KeyboardInterrupt, once `working` is set.

    Before, while modules are imported, there is nothing to clean up, and an exception may come out
    of them as any other: the process ends at once. A second signal also does that. ``status`` is
    128 + the signal's number, as shells have it, and 0 if there was none.
    """

    def __init__(self, own: bool) -> None:
        self.status = 0
        self.working = False
        self._own = own
        self._before: dict[int, Any] = {}
        self._hooks: tuple[Any, Any] = (None, None)

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                if signal.getsignal(number) not in (signal.SIG_IGN, None):  # such as by nohup
                    self._before[number] = signal.signal(number, self._interrupt)
            self._hooks = sys.excepthook, sys.unraisablehook
            sys.excepthook, sys.unraisablehook = self._uncaught, self._swallowed
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._own:  # the hooks stay: a signal is not told of while Python ends, either
            self.over()
            return
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._before:
            sys.excepthook, sys.unraisablehook = self._hooks

    def over(self) -> None:
        """Let signals have no other effect on the process's own program than to end the process.

        Ctrl-C has none at all, unless it is the second signal. Python would give it back its plain
        effect when it ends, but leaves it ignored.
        """
        for number in self._before if self._own else ():
            if signal.getsignal(number) != signal.SIG_DFL:
                ignored = number == signal.SIGINT
                signal.signal(number, signal.SIG_IGN if ignored else signal.SIG_DFL)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self.status = 128 + number
        if not self.working:
            os._exit(self.status)
        for other in self._before:
            signal.signal(other, signal.SIG_DFL)
        raise KeyboardInterrupt

    def _uncaught(self, *error: Any) -> None:
        if not self.status:
            self._hooks[0](*error)

    def _swallowed(self, error: Any) -> None:
        """Interrupt once more where that fell into code which nobody catches exceptions of."""
        if error.exc_type is not KeyboardInterrupt or not self.status:
            if not self.status:
                self._hooks[1](error)
            return
        number = self.status - 128
        signal.signal(number, self._interrupt)
        main_thread = threading.main_thread().ident or 0
        threading.Timer(0.05, signal.pthread_kill, (main_thread, number)).start()
