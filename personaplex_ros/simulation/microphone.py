"""A wave file as a microphone on the graph, once or again and again."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np

from personaplex_ros.audio import AudioChunk, WaveFileSource, int16_to_float32, read_wave
from personaplex_ros.node.hosts.bus import RELIABLE, Bus
from personaplex_ros.node.hosts.messages import CONVERSATION, NS_PER_S
from personaplex_ros.node.sound.types import AUDIO_FRAME
from personaplex_ros.node.sound.writing import AudioWriter

DIAGNOSTICS = "diagnostic_msgs/msg/DiagnosticArray"
_POLL_S = 0.1


class MicrophoneNode:
    """Publishes a file on audio_in from the moment at which the node personaplex is active.

    A file that is repeated goes on with its sample index, as one microphone does.
    Raises what `read_wave` raises.
    """

    def __init__(self, bus: Bus, path: str | Path, *, loop: bool) -> None:
        wave = read_wave(path)
        self._bus = bus
        self._path = path
        self._loop = loop
        self._length = len(wave.samples)
        self._writer = AudioWriter(bus, AUDIO_FRAME, wave.rate, "microphone")
        self._publisher = bus.advertise("audio_in", AUDIO_FRAME, RELIABLE)
        self._first_sample = 0
        self._active = threading.Event()
        self._stopping = threading.Event()
        self._diagnostics = bus.subscribe(
            "/diagnostics", DIAGNOSTICS, RELIABLE, self._take_diagnostics
        )
        self._thread = threading.Thread(target=self._run, name="microphone", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop playing and close the topics."""
        self._stopping.set()
        self._thread.join()
        self._diagnostics.close()
        self._publisher.close()

    def _take_diagnostics(self, message: Any, _: str) -> None:
        for status in message.status:
            if status.name.endswith(f": {CONVERSATION}"):
                if any(v.key == "state" and v.value == "active" for v in status.values):
                    self._active.set()

    def _run(self) -> None:
        while not self._active.wait(_POLL_S):
            if self._stopping.is_set():
                return
        while not self._stopping.is_set():
            source = WaveFileSource(self._publish, self._path)
            source.start()
            while not source.finished.wait(_POLL_S):
                if self._stopping.is_set():
                    source.stop()
            self._first_sample += self._length
            if not self._loop:
                return

    def _publish(self, chunk: AudioChunk) -> None:
        samples = int16_to_float32(np.asarray(chunk.samples, np.int16))
        first = self._first_sample + (chunk.first_sample or 0)
        # By the graph's clock, which may be simulated: a block comes when its last sample is due.
        stamp_ns = self._bus.now_ns() - len(samples) * NS_PER_S // chunk.rate
        self._publisher.publish(self._writer.message(samples, first, stamp_ns))
