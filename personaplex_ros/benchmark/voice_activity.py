"""When somebody speaks in a recording: Silero VAD over the whole of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray

from personaplex_ros.audio import resample
from personaplex_ros.benchmark.backchannel import Segment
from personaplex_ros.benchmark.quirks import Quirks
from personaplex_ros.turns.detection.silero import load_silero

RATE = 16_000  # Hz, that the network reads

Listen = Callable[[NDArray[np.float32], int], list[Segment]]  # samples [n], rate -> segments


def speech_listener(quirks: Quirks | None = None) -> Listen:
    """Return a function that finds speech in samples float32 [n] of some rate, times in seconds.

    The network's settings are its own: speech of 0.25 s at least, silences of less than 0.1 s
    bridged, 0.03 s added at both ends.
    """
    quirks, network = quirks or Quirks(), load_silero()

    def listen(samples: NDArray[np.float32], rate: int) -> list[Segment]:
        from silero_vad import get_speech_timestamps

        heard = resample(samples, rate, RATE)
        with _one_thread():
            tensor = torch.from_numpy(heard.copy())
            found = get_speech_timestamps(tensor, network, sampling_rate=RATE)
        segments = [(part["start"] / RATE, part["end"] / RATE) for part in found]
        if quirks.rounded_segments:
            segments = [(round(start_s, 1), round(end_s, 1)) for start_s, end_s in segments]
        return segments

    return listen


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep torch to one thread: sharing out so little work takes longer than doing it."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
