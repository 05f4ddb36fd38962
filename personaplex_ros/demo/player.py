"""Plays a waveform on a microphone topic at the speed of real time."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from personaplex_ros.node.bare.bus import BareBus
from personaplex_ros.node.hosts.messages import NS_PER_S
from personaplex_ros.node.sound.microphone_topic import MICROPHONE
from personaplex_ros.node.sound.types import AUDIO_FRAME
from personaplex_ros.node.sound.writing import AudioWriter

CHUNK_S = 0.02
TOPIC = "audio_in"


class Player:
    """A microphone on the graph."""

    def __init__(self, bus: BareBus) -> None:
        self._bus = bus
        self._publisher = bus.advertise(TOPIC, AUDIO_FRAME, MICROPHONE)

    def wait_for_listener(self, timeout_s: float) -> None:
        """Wait until somebody hears the topic. Raises RuntimeError after ``timeout_s``."""
        deadline = time.monotonic() + timeout_s
        while not self._publisher.subscribers():
            if time.monotonic() > deadline:
                name = self._bus.resolve(TOPIC, "topic")
                raise RuntimeError(f"nobody subscribed to {name} within {timeout_s:g} s")
            time.sleep(0.02)

    def play(self, samples: np.ndarray, rate: int, start_ns: int) -> None:
        """Publish float32 [n] in chunks, each when its last sample would have been captured.

        ``start_ns`` is the time of the first sample; returns when all has been published.
        """
        writer = AudioWriter(self._bus, AUDIO_FRAME, rate, "microphone")
        size = round(CHUNK_S * rate)
        for first in range(0, len(samples), size):
            chunk = samples[first : first + size]
            stamp_ns = start_ns + first * NS_PER_S // rate
            due_ns = stamp_ns + len(chunk) * NS_PER_S // rate
            time.sleep(max(0.0, (due_ns - self._bus.now_ns()) / NS_PER_S))
            self.send(writer.message(chunk, first, stamp_ns))

    def send(self, message: Any) -> None:
        """Publish one message."""
        self._publisher.publish(message)
