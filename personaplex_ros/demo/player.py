"""Plays a waveform on a microphone topic at the speed of real time."""

from __future__ import annotations

import array
import time

import numpy as np

from personaplex_ros.audio import float32_to_int16
from personaplex_ros.node.bus import RELIABLE, Bus

CHUNK_S = 0.02
TOPIC = "audio_in"
TYPE = "personaplex_ros/msg/AudioFrame"


def play(bus: Bus, samples: np.ndarray, rate: int, start_ns: int) -> None:
    """Publish float32 [n] in chunks, each when its last sample would have been captured.

    ``start_ns`` is the time of the first sample; returns when all has been published.
    """
    publisher = bus.advertise(TOPIC, TYPE, RELIABLE)
    message_type = bus.message(TYPE)
    size = round(CHUNK_S * rate)
    pcm = float32_to_int16(samples)
    try:
        for first in range(0, len(pcm), size):
            chunk = pcm[first : first + size]
            stamp_ns = start_ns + first * 1_000_000_000 // rate
            due_ns = stamp_ns + len(chunk) * 1_000_000_000 // rate
            time.sleep(max(0.0, (due_ns - bus.now_ns()) / 1e9))
            message = message_type()
            message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 10**9)
            message.header.frame_id = "microphone"
            message.sample_rate, message.channels, message.first_sample = rate, 1, first
            message.data = array.array("h", chunk.tobytes())
            publisher.publish(message)
    finally:
        publisher.close()
