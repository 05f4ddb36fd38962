"""Writing audio messages of the five types that audio_messages reads."""

from __future__ import annotations

import array
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from personaplex_ros.audio import float32_to_int16
from personaplex_ros.node.hosts.bus import Bus
from personaplex_ros.node.hosts.messages import set_header, set_time
from personaplex_ros.node.sound.reading import PA_INT16, audio_message_class
from personaplex_ros.node.sound.types import (
    AUDIO_DATA,
    AUDIO_DATA_STAMPED,
    AUDIO_FRAME,
    AUDIO_STAMPED,
    RAW_AUDIO,
)


class AudioWriter:
    """Makes audio messages of one type from mono frames of one rate."""

    def __init__(self, bus: Bus, type_name: str, rate: int, frame_id: str) -> None:
        self._class = audio_message_class(bus, type_name)
        self._write = _WRITERS[type_name]
        self._rate = rate
        self._frame_id = frame_id

    def message(self, samples: npt.NDArray[np.float32], first_sample: int, stamp_ns: int) -> Any:
        """Return a message with `samples` [n] in [-1, 1]; what lies beyond is clipped."""
        pcm = float32_to_int16(samples).tobytes()
        message = self._class()
        self._write(message, pcm, self._rate, first_sample, stamp_ns, self._frame_id)
        return message


def audio_info(message_class: type, rate: int) -> Any:
    """Return the ros-drivers AudioInfo that describes what `AudioWriter` sends."""
    message = message_class()
    message.channels = 1
    message.sample_rate = rate
    message.sample_format = "S16LE"
    message.bitrate = 16 * rate
    message.coding_format = "wave"
    return message


def _write_audio_frame(
    message: Any, pcm: bytes, rate: int, first_sample: int, stamp_ns: int, frame_id: str
) -> None:
    set_header(message.header, stamp_ns, frame_id)
    message.sample_rate = rate
    message.channels = 1
    message.first_sample = first_sample
    message.data = array.array("h", pcm)


def _write_audio_data(
    message: Any, pcm: bytes, rate: int, first_sample: int, stamp_ns: int, frame_id: str
) -> None:
    message.data = array.array("B", pcm)


def _write_audio_data_stamped(
    message: Any, pcm: bytes, rate: int, first_sample: int, stamp_ns: int, frame_id: str
) -> None:
    set_header(message.header, stamp_ns, frame_id)
    message.audio.data = array.array("B", pcm)


def _write_audio_stamped(
    message: Any, pcm: bytes, rate: int, first_sample: int, stamp_ns: int, frame_id: str
) -> None:
    set_header(message.header, stamp_ns, frame_id)
    message.audio.audio_data.int16_data = array.array("h", pcm)
    message.audio.info.format = PA_INT16
    message.audio.info.channels = 1
    message.audio.info.rate = rate
    message.audio.info.chunk = len(pcm) // 2


def _write_raw_audio(
    message: Any, pcm: bytes, rate: int, first_sample: int, stamp_ns: int, frame_id: str
) -> None:
    set_time(message.timestamp, stamp_ns)
    message.data = array.array("B", pcm)
    message.format = "pcm-s16"
    message.sample_rate = rate
    message.number_of_channels = 1


_WRITERS: dict[str, Callable[[Any, bytes, int, int, int, str], None]] = {
    AUDIO_FRAME: _write_audio_frame,
    AUDIO_DATA: _write_audio_data,
    AUDIO_DATA_STAMPED: _write_audio_data_stamped,
    AUDIO_STAMPED: _write_audio_stamped,
    RAW_AUDIO: _write_raw_audio,
}
