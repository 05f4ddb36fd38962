"""What was heard and waits to be sent."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_S = 0.5
"""Of sound that waits; of more the oldest is dropped, for it would be answered too late."""


@dataclass(frozen=True)
class Heard:
    """A frame, float32 [n], whose last sample was there at `whole_s` of the monotonic clock."""

    samples: NDArray[np.float32]
    whole_s: float


class Uplink:
    """A bounded queue from the thread that hears to the loop that sends."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._lock = threading.Lock()
        self._frames: deque[Heard] = deque()
        self._waiting = self._dropped = 0
        self._arrived = asyncio.Event()

    def put(self, samples: NDArray[np.float32], whole_s: float) -> None:
        """Append a frame; any thread. `wake` tells the loop."""
        with self._lock:
            self._frames.append(Heard(samples, whole_s))
            self._waiting += len(samples)
            while self._waiting > MOST_S * self._rate:
                self._drop(self._frames.popleft())

    def wake(self) -> None:
        """Let `arrived` return; of the loop."""
        self._arrived.set()

    async def arrived(self) -> None:
        """Wait until there may be something, or somebody wants attention."""
        await self._arrived.wait()
        self._arrived.clear()

    def take(self) -> list[Heard]:
        """Return all that waits, the oldest first."""
        with self._lock:
            taken = list(self._frames)
            self._frames.clear()
            self._waiting = 0
        return taken

    def drop(self, frame: Heard) -> None:
        """Count a frame that was taken and is not sent."""
        with self._lock:
            self._dropped += len(frame.samples)

    def clear(self) -> None:
        """Drop what waits."""
        for frame in self.take():
            self.drop(frame)

    @property
    def dropped_s(self) -> float:
        """Seconds that were heard and never sent."""
        return self._dropped / self._rate

    def _drop(self, frame: Heard) -> None:
        self._waiting -= len(frame.samples)
        self._dropped += len(frame.samples)
