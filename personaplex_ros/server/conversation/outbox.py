"""From a conversation's thread to the one task that sends, without end to neither."""

from __future__ import annotations

import asyncio
import threading
from collections import deque

from personaplex_ros.server.conversation.outputs import Output, Speech


class Outbox:
    """Outputs that wait to be sent; `put` is for any thread, `take` for a task of the loop.

    Of more than `speech` frames the oldest frame is dropped, of more than `outputs` in all the
    oldest output. What takes them when there is nothing waits without holding a thread.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, speech: int, outputs: int) -> None:
        self._loop = loop
        self._most_speech, self._most = speech, outputs
        self._lock = threading.Lock()
        self._waiting: deque[Output] = deque()
        self._speech = 0
        self._arrived = asyncio.Event()
        self.dropped_frames = 0
        self.dropped_others = 0

    def put(self, *outputs: Output) -> None:
        """Let these be sent next."""
        with self._lock:
            idle = not self._waiting
            for output in outputs:
                self._waiting.append(output)
                self._speech += isinstance(output, Speech)
            while self._speech > self._most_speech:
                self._drop(next(o for o in self._waiting if isinstance(o, Speech)))
            while len(self._waiting) > self._most:
                self._drop(self._waiting[0])
        if idle and outputs:
            self._loop.call_soon_threadsafe(self._arrived.set)

    async def take(self) -> list[Output]:
        """Wait for outputs and return all there are."""
        while True:
            await self._arrived.wait()
            with self._lock:
                self._arrived.clear()
                taken = list(self._waiting)
                self._waiting.clear()
                self._speech = 0
            if taken:
                return taken

    def _drop(self, output: Output) -> None:
        # Compared by identity: arrays have no truth value.
        index = next(i for i, other in enumerate(self._waiting) if other is output)
        del self._waiting[index]
        if isinstance(output, Speech):
            self._speech -= 1
            self.dropped_frames += 1
        else:
            self.dropped_others += 1
