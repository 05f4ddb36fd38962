"""Reading audio messages of five types as chunks of PCM.

Field names and conventions are those of the packages: ros-drivers/audio_common (AudioData,
AudioDataStamped, AudioInfo), mgonzs13/audio_common (AudioStamped, whose `format` is a PortAudio
sample format) and foxglove_msgs (RawAudio). Everywhere the stamp is that of the first sample.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from personaplex_ros.audio import AudioChunk
from personaplex_ros.nn.configuration import shown
from personaplex_ros.node.hosts.bus import Bus
from personaplex_ros.node.hosts.messages import time_ns
from personaplex_ros.node.sound.types import (
    AUDIO_DATA,
    AUDIO_DATA_STAMPED,
    AUDIO_FRAME,
    AUDIO_STAMPED,
    RAW_AUDIO,
)

Samples = npt.NDArray[np.int16] | npt.NDArray[np.float32]

PA_INT16 = 8
_PA_FIELDS = {
    1: "float32_data",
    2: "int32_data",
    8: "int16_data",
    16: "int8_data",
    32: "uint8_data",
}
"""PortAudio's PaSampleFormat -> the field of mgonzs13's AudioData that holds such samples."""

_ROS_DRIVERS = "install ros-drivers' package: apt install ros-$ROS_DISTRO-audio-common-msgs"
_INSTALL = {
    AUDIO_DATA: _ROS_DRIVERS,
    AUDIO_DATA_STAMPED: _ROS_DRIVERS,
    AUDIO_STAMPED: "build github.com/mgonzs13/audio_common in the workspace and source it",
    RAW_AUDIO: "apt install ros-$ROS_DISTRO-foxglove-msgs",
    AUDIO_FRAME: "build this package with colcon and source the workspace",
}


class AudioMessageError(ValueError):
    """A message that cannot be understood as PCM; the text says why and what to do."""


@dataclass(frozen=True)
class RawFormat:
    """Format of types that do not carry it, from AudioInfo or from parameters."""

    rate: int
    channels: int


def audio_message_class(bus: Bus, type_name: str) -> type:
    """Return the class of an audio message.

    Raises LookupError naming the package to install when it is missing, or when the other
    package of the same name is installed.
    """
    try:
        cls = bus.message(type_name)
    except LookupError as error:
        raise LookupError(f"{error}; {_INSTALL[type_name]}") from error
    sample = cls()
    fields = {
        AUDIO_DATA: lambda: sample.data,
        AUDIO_DATA_STAMPED: lambda: sample.audio.data,
        AUDIO_STAMPED: lambda: sample.audio.audio_data.int16_data,
    }
    try:
        fields.get(type_name, lambda: None)()
    except AttributeError as error:
        raise LookupError(
            f"the installed {type_name} belongs to the other package named audio_common_msgs; "
            f"{_INSTALL[type_name]}, or choose the other type"
        ) from error
    return cls


def raw_format(info: Any) -> RawFormat:
    """Return the format an audio_common_msgs/AudioInfo (ros-drivers) announces.

    Raises AudioMessageError for compressed audio and for samples other than S16LE.
    """
    if info.coding_format.lower() not in ("wave", "wav", "raw", ""):
        raise AudioMessageError(
            f"the audio driver sends {shown(info.coding_format)}; "
            "only raw audio is understood: start audio_capture with format:=wave"
        )
    if info.sample_format.upper() not in ("S16LE", ""):
        raise AudioMessageError(
            f"the audio driver sends samples as {shown(info.sample_format)}; "
            "only S16LE is understood: start audio_capture with sample_format:=S16LE"
        )
    return RawFormat(rate=int(info.sample_rate), channels=int(info.channels))


def read_audio(type_name: str, message: Any, source: str, raw: RawFormat | None) -> AudioChunk:
    """Return the audio in `message`, which came from publisher `source`.

    `raw` is the format of types that do not carry one. Raises AudioMessageError for what is not
    PCM; rate, channels and samples are not judged here.
    """
    return _READERS[type_name](message, source, raw)


def _read_audio_frame(message: Any, source: str, raw: RawFormat | None) -> AudioChunk:
    samples = _numbers(message.data, np.int16)
    fmt = RawFormat(message.sample_rate, message.channels)
    stamp_ns = time_ns(message.header.stamp)
    return _chunk(samples, fmt, stamp_ns, source, int(message.first_sample))


def _read_audio_data(message: Any, source: str, raw: RawFormat | None) -> AudioChunk:
    samples = _s16le(message.data)
    return _chunk(samples, _known(raw), 0, source, None)


def _read_audio_data_stamped(message: Any, source: str, raw: RawFormat | None) -> AudioChunk:
    samples = _s16le(message.audio.data)
    stamp_ns = time_ns(message.header.stamp)
    return _chunk(samples, _known(raw), stamp_ns, source, None)


def _read_audio_stamped(message: Any, source: str, raw: RawFormat | None) -> AudioChunk:
    info = message.audio.info
    if info.format not in _PA_FIELDS:
        raise AudioMessageError(
            f"AudioStamped.audio.info.format is {info.format}; it must be one of PortAudio's "
            f"{sorted(_PA_FIELDS)}: set the driver's parameter format to {PA_INT16}"
        )
    field = _PA_FIELDS[info.format]
    samples = _from_portaudio(field, getattr(message.audio.audio_data, field))
    fmt = RawFormat(info.rate, info.channels)
    return _chunk(samples, fmt, time_ns(message.header.stamp), source, None)


def _read_raw_audio(message: Any, source: str, raw: RawFormat | None) -> AudioChunk:
    if message.format != "pcm-s16":
        raise AudioMessageError(
            f"RawAudio.format is {shown(message.format)}; only 'pcm-s16' is understood"
        )
    fmt = RawFormat(message.sample_rate, message.number_of_channels)
    stamp_ns = time_ns(message.timestamp)
    return _chunk(_s16le(message.data), fmt, stamp_ns, source, None)


_READERS: dict[str, Callable[[Any, str, RawFormat | None], AudioChunk]] = {
    AUDIO_FRAME: _read_audio_frame,
    AUDIO_DATA: _read_audio_data,
    AUDIO_DATA_STAMPED: _read_audio_data_stamped,
    AUDIO_STAMPED: _read_audio_stamped,
    RAW_AUDIO: _read_raw_audio,
}


def _known(raw: RawFormat | None) -> RawFormat:
    if raw is None:
        raise AudioMessageError(
            "the format of the audio is not known yet: nothing came on audio_in_info; "
            "remap that topic to the driver's audio_info, or set audio_in_rate"
        )
    return raw


def _chunk(
    samples: Samples, fmt: RawFormat, stamp_ns: int, source: str, first_sample: int | None
) -> AudioChunk:
    return AudioChunk(
        samples=samples,
        rate=int(fmt.rate),
        channels=int(fmt.channels),
        stamp_ns=stamp_ns,
        first_sample=first_sample,
        source=source,
    )


def _numbers(sequence: Any, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    if isinstance(sequence, bytes | bytearray | memoryview):
        return np.frombuffer(sequence, dtype)
    return np.asarray(sequence, dtype=dtype)


def _s16le(sequence: Any) -> npt.NDArray[np.int16]:
    octets = np.ascontiguousarray(_numbers(sequence, np.uint8))
    if octets.size % 2:
        raise AudioMessageError(
            f"a message holds {octets.size} bytes, not a whole number of 16-bit samples; "
            "is the driver sending compressed audio?"
        )
    return octets.view("<i2").astype(np.int16, copy=False)


def _from_portaudio(field: str, sequence: Any) -> Samples:
    if field == "float32_data":
        return _numbers(sequence, np.float32)
    if field == "int16_data":
        return _numbers(sequence, np.int16)
    if field == "int32_data":
        return (_numbers(sequence, np.int32) / 2.0**31).astype(np.float32)
    if field == "int8_data":
        return _numbers(sequence, np.int8).astype(np.int16) * np.int16(256)
    return (_numbers(sequence, np.uint8).astype(np.int16) - np.int16(128)) * np.int16(256)
