"""A wave file in place of a microphone, read at the pace at which it was spoken."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from .chunk import AudioChunk
from .framing import SECOND_NS
from .mono import to_mono
from .pcm import float32_to_int16
from .wave import read_wave


class WaveFileSource:
    """Calls `callback` with an AudioChunk (int16, mono) for every block of a file, at real pace.

    The thread waits for absolute times, so a slow callback does not stretch the whole. Stamps are
    the start's wall-clock time plus the position in the file; the block is handed over when its
    last sample is due. `finished` is set after the last block or `stop`.
    Raises what `read_wave` raises.
    """

    def __init__(
        self, callback: Callable[[AudioChunk], None], path: str | Path, *, block_s: float = 0.02
    ) -> None:
        wave = read_wave(path)
        self._samples = float32_to_int16(to_mono(wave.samples))
        self._callback = callback
        self._rate = wave.rate
        self._block = max(1, round(block_s * wave.rate))
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="wave file source", daemon=True)
        self.name = f"file:{path}"
        self.finished = threading.Event()

    @property
    def rate(self) -> int:
        """Samples per second of the chunks."""
        return self._rate

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """End the reading; returns when the last callback has returned."""
        self._stopping.set()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join()
        self.finished.set()

    def _run(self) -> None:
        wall_ns = time.time_ns()
        begin_ns = time.monotonic_ns()
        try:
            for first in range(0, len(self._samples), self._block):
                block = self._samples[first : first + self._block]
                due_ns = begin_ns + (first + len(block)) * SECOND_NS // self._rate
                if self._stopping.wait(max(0, due_ns - time.monotonic_ns()) / SECOND_NS):
                    return
                stamp_ns = wall_ns + first * SECOND_NS // self._rate
                self._callback(AudioChunk(block, self._rate, 1, stamp_ns, first, self.name))
        finally:
            self.finished.set()
