"""An executor of what Zenoh's threads put into bounded queues."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from personaplex_ros.node.bare.executor import Executor, Log, Source


class QueueSource(Source):
    """The last samples that came, at most `depth`, all for None."""

    def __init__(
        self, name: str, deliver: Callable[[Any], None], depth: int | None, wake: Callable[[], None]
    ) -> None:
        super().__init__(name, deliver)
        self.queue: deque[Any] = deque(maxlen=depth)
        self._wake = wake

    def put(self, sample: Any) -> None:
        """Add a sample; any thread may, and never waits."""
        self.queue.append(sample)
        self._wake()

    def take(self) -> Any:
        """Return the oldest sample."""
        return self.queue.popleft() if self.queue else None


class ZenohExecutor(Executor[QueueSource]):
    """Waits for an event that sources set."""

    def __init__(self, log: Log) -> None:
        super().__init__(log)
        self._event = threading.Event()
        self.start()

    def queue(self, name: str, depth: int | None, deliver: Callable[[Any], None]) -> QueueSource:
        """Return a queue whose samples go to ``deliver``."""
        return self.add(QueueSource(name, deliver, depth, self.wake))

    def wait(self, longest_ns: int) -> None:
        """Wait unless a queue still holds what an earlier batch has left."""
        if not any(source.queue for source in list(self._sources)):
            self._event.wait(longest_ns / 1e9)
        self._event.clear()

    def wake(self) -> None:
        """Set the event."""
        self._event.set()
