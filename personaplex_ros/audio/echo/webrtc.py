"""The echo canceller of WebRTC (AEC3), from the Python package livekit, where it is installed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.audio.pcm import float32_to_int16, int16_to_float32

BLOCKS_PER_S = 100
"""It takes blocks of 10 ms."""


@dataclass(frozen=True)
class Processing:
    """What is done to the microphone besides cancelling the echo."""

    noise_suppression: bool = False
    high_pass: bool = True
    gain_control: bool = False


class WebRtcCanceller:
    """Takes the echo of a reference out of the microphone, in frames of whole 10 ms.

    What comes out is 10 ms late, 16 ms with noise suppression. Raises ImportError where livekit is
    not installed or does not run on this machine, ValueError for frames that are not whole blocks.
    """

    def __init__(self, rate: int, frame_size: int, processing: Processing) -> None:
        block = rate // BLOCKS_PER_S
        if frame_size % block or rate % BLOCKS_PER_S:
            raise ValueError(f"frames of {frame_size} samples are no blocks of 10 ms at {rate} Hz")
        rtc = _livekit()
        self._module = rtc.apm.AudioProcessingModule(
            echo_cancellation=True,
            noise_suppression=processing.noise_suppression,
            high_pass_filter=processing.high_pass,
            auto_gain_control=processing.gain_control,
        )
        count = frame_size // block

        def frames() -> tuple[list[Any], list[NDArray[np.int16]]]:
            made = [rtc.AudioFrame(bytearray(2 * block), rate, 1, block) for _ in range(count)]
            return made, [np.frombuffer(frame.data, np.int16) for frame in made]

        self._played, self._reference = frames()
        self._heard, self._microphone = frames()

    def process(
        self, microphone: NDArray[np.float32], reference: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return a frame without the echo of `reference`; all are float32 [frame_size]."""
        count = len(self._played)
        heard = float32_to_int16(microphone).reshape(count, -1)
        played = float32_to_int16(reference).reshape(count, -1)
        for at in range(count):
            self._reference[at][:] = played[at]
            self._microphone[at][:] = heard[at]
            self._module.process_reverse_stream(self._played[at])
            self._module.process_stream(self._heard[at])
        return int16_to_float32(np.concatenate(self._microphone))


def _livekit() -> Any:
    try:
        from livekit import rtc
    except (ImportError, OSError) as error:  # OSError: its library does not fit this machine
        raise ImportError(f"{error}: pip install livekit") from error
    return rtc
