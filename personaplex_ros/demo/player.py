"""Plays a waveform on a microphone topic at the speed of real time."""

from __future__ import annotations

import array
import time

import numpy as np

from personaplex_ros.audio import float32_to_int16
from personaplex_ros.node.bus import RELIABLE
from personaplex_ros.node.dds.bus import DdsBus

NS = 1_000_000_000
CHUNK_S = 0.02
TOPIC = "audio_in"
TYPE = "personaplex_ros/msg/AudioFrame"


class Player:
    """A microphone on the graph."""

    def __init__(self, bus: DdsBus) -> None:
        self._bus = bus
        self._publisher = bus.advertise(TOPIC, TYPE, RELIABLE)

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
        message_type = self._bus.message(TYPE)
        size = round(CHUNK_S * rate)
        pcm = float32_to_int16(samples)
        for first in range(0, len(pcm), size):
            chunk = pcm[first : first + size]
            stamp_ns = start_ns + first * NS // rate
            due_ns = stamp_ns + len(chunk) * NS // rate
            time.sleep(max(0.0, (due_ns - self._bus.now_ns()) / NS))
            message = message_type()
            message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, NS)
            message.header.frame_id = "microphone"
            message.sample_rate, message.channels, message.first_sample = rate, 1, first
            message.data = array.array("h", chunk.tobytes())
            self._publisher.publish(message)
