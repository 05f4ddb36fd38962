"""What SIGINT (Ctrl-C), SIGTERM and SIGHUP do to a command: it cleans up, and says nothing."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Any


class Interruption:
    """Within the block the signals raise KeyboardInterrupt, once `working` is set.

    Before, while modules are imported, there is nothing to clean up, and an exception may come out
    of them as any other: the process ends at once. A second signal also does that. ``status`` is
    128 + the signal's number, as shells have it, and 0 if there was none. In the process's own
    command (``own``) the signals keep their plain effect until its end.
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
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if self._own else handler)
        if self._before and not self._own:
            sys.excepthook, sys.unraisablehook = self._hooks

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
