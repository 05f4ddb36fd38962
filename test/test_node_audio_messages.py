"""The five audio message types: what is read from them, what is written into them."""

from __future__ import annotations

import array
from typing import Any

import numpy as np
import pytest
from node_support import MemoryBus

from personaplex_ros.node.hosts.messages import set_time
from personaplex_ros.node.sound.reading import (
    AudioMessageError,
    RawFormat,
    audio_message_class,
    raw_format,
    read_audio,
)
from personaplex_ros.node.sound.types import (
    AUDIO_DATA,
    AUDIO_DATA_STAMPED,
    AUDIO_FRAME,
    AUDIO_STAMPED,
    AUDIO_TYPES,
    RAW_AUDIO,
)
from personaplex_ros.node.sound.writing import AudioWriter, audio_info

SAMPLES = np.array([0.0, 0.5, -0.5, -1.0], np.float32)
PCM = [0, 16384, -16384, -32768]
S16LE = bytes.fromhex("0000 0040 00c0 0080")  # written out by hand: little endian
STAMP_NS = 1_700_000_000_250_000_000


def bus() -> MemoryBus:
    return MemoryBus()


def over_the_wire(msg: Any) -> Any:
    return type(msg).codec.decode(msg.codec.encode(msg))


def test_audio_frame_is_written_as_its_definition_says():
    msg = over_the_wire(
        AudioWriter(bus(), AUDIO_FRAME, 24_000, "mouth").message(SAMPLES, 7, STAMP_NS)
    )
    assert (msg.sample_rate, msg.channels, msg.first_sample) == (24_000, 1, 7)
    assert (msg.header.stamp.sec, msg.header.stamp.nanosec) == (1_700_000_000, 250_000_000)
    assert list(msg.data) == PCM and msg.header.frame_id == "mouth"


@pytest.mark.parametrize("type_name", [AUDIO_DATA, AUDIO_DATA_STAMPED, RAW_AUDIO])
def test_types_of_bytes_hold_little_endian_samples(type_name):
    msg = over_the_wire(AudioWriter(bus(), type_name, 24_000, "m").message(SAMPLES, 0, STAMP_NS))
    data = msg.audio.data if type_name == AUDIO_DATA_STAMPED else msg.data
    assert bytes(bytearray(data)) == S16LE
    if type_name == RAW_AUDIO:
        assert (msg.format, msg.sample_rate, msg.number_of_channels) == ("pcm-s16", 24_000, 1)
        assert (msg.timestamp.sec, msg.timestamp.nanosec) == (1_700_000_000, 250_000_000)


def test_audio_stamped_states_portaudio_format_and_chunk():
    msg = over_the_wire(
        AudioWriter(bus(), AUDIO_STAMPED, 24_000, "m").message(SAMPLES, 0, STAMP_NS)
    )
    info = msg.audio.info
    assert (info.format, info.channels, info.rate, info.chunk) == (8, 1, 24_000, 4)
    assert list(msg.audio.audio_data.int16_data) == PCM


def test_what_lies_beyond_full_scale_is_clipped():
    loud = np.array([1.0, 2.0, -2.0], np.float32)
    msg = AudioWriter(bus(), AUDIO_FRAME, 24_000, "").message(loud, 0, 0)
    assert list(msg.data) == [32767, 32767, -32768]


@pytest.mark.parametrize("type_name", AUDIO_TYPES)
def test_what_is_written_is_read_again(type_name):
    msg = over_the_wire(AudioWriter(bus(), type_name, 24_000, "m").message(SAMPLES, 1920, STAMP_NS))
    chunk = read_audio(type_name, msg, "publisher", RawFormat(24_000, 1))
    assert list(chunk.samples) == PCM and chunk.samples.dtype == np.int16
    assert (chunk.rate, chunk.channels, chunk.source) == (24_000, 1, "publisher")
    assert chunk.stamp_ns == (0 if type_name == AUDIO_DATA else STAMP_NS)
    assert chunk.first_sample == (1920 if type_name == AUDIO_FRAME else None)


@pytest.mark.parametrize(
    "data", [S16LE, bytearray(S16LE), array.array("B", S16LE), np.frombuffer(S16LE, np.uint8)]
)
def test_bytes_are_read_from_whatever_a_library_holds_them_in(data):
    msg = bus().message(AUDIO_DATA)()
    msg.data = data
    assert list(read_audio(AUDIO_DATA, msg, "", RawFormat(16_000, 1)).samples) == PCM


@pytest.mark.parametrize("data", [array.array("h", PCM), list(PCM), np.array(PCM, np.int16)])
def test_samples_are_read_from_whatever_a_library_holds_them_in(data):
    msg = bus().message(AUDIO_FRAME)()
    msg.data = data
    assert list(read_audio(AUDIO_FRAME, msg, "", None).samples) == PCM


@pytest.mark.parametrize(
    ("portaudio", "field", "values", "expected"),
    [
        (1, "float32_data", [0.5, -1.0], np.array([0.5, -1.0], np.float32)),
        (2, "int32_data", [2**30, -(2**31)], np.array([0.5, -1.0], np.float32)),
        (8, "int16_data", [16384, -32768], np.array([16384, -32768], np.int16)),
        (16, "int8_data", [64, -128], np.array([16384, -32768], np.int16)),
        (32, "uint8_data", [192, 0], np.array([16384, -32768], np.int16)),
    ],
)
def test_every_portaudio_format_of_audio_stamped_is_read(portaudio, field, values, expected):
    msg = bus().message(AUDIO_STAMPED)()
    setattr(msg.audio.audio_data, field, values)
    msg.audio.info.format, msg.audio.info.rate, msg.audio.info.channels = portaudio, 16_000, 2
    set_time(msg.header.stamp, STAMP_NS)
    chunk = read_audio(AUDIO_STAMPED, over_the_wire(msg), "", None)
    assert chunk.samples.dtype == expected.dtype and list(chunk.samples) == list(expected)
    assert (chunk.rate, chunk.channels, chunk.stamp_ns) == (16_000, 2, STAMP_NS)


def test_unknown_portaudio_format_is_refused_with_the_remedy():
    msg = bus().message(AUDIO_STAMPED)()
    msg.audio.info.format = 4
    with pytest.raises(AudioMessageError, match="parameter format to 8"):
        read_audio(AUDIO_STAMPED, msg, "", None)


def test_unknown_format_of_raw_audio_is_refused():
    msg = bus().message(RAW_AUDIO)()
    msg.format = "opus"
    with pytest.raises(AudioMessageError, match=r"'opus'; only 'pcm-s16'"):
        read_audio(RAW_AUDIO, msg, "", None)


def test_half_a_sample_is_refused():
    msg = bus().message(AUDIO_DATA)()
    msg.data = b"\x01\x02\x03"
    with pytest.raises(AudioMessageError, match="compressed"):
        read_audio(AUDIO_DATA, msg, "", RawFormat(16_000, 1))


def test_audio_without_a_known_format_names_topic_and_parameter():
    msg = bus().message(AUDIO_DATA)()
    msg.data = S16LE
    with pytest.raises(AudioMessageError, match=r"audio_in_info.*audio_in_rate"):
        read_audio(AUDIO_DATA, msg, "", None)


def audio_info_of(coding: str, sample: str) -> Any:
    info = bus().message("audio_common_msgs/msg/AudioInfo")()
    info.channels, info.sample_rate = 2, 16_000
    info.coding_format, info.sample_format = coding, sample
    return over_the_wire(info)


@pytest.mark.parametrize(("coding", "sample"), [("wave", "S16LE"), ("WAVE", "S16LE"), ("", "")])
def test_format_is_taken_from_audio_info(coding, sample):
    assert raw_format(audio_info_of(coding, sample)) == RawFormat(16_000, 2)


@pytest.mark.parametrize(
    ("coding", "sample", "remedy"),
    [("mp3", "S16LE", "format:=wave"), ("wave", "F32LE", "sample_format:=S16LE")],
)
def test_audio_that_is_not_raw_is_refused_with_the_remedy(coding, sample, remedy):
    with pytest.raises(AudioMessageError, match=remedy):
        raw_format(audio_info_of(coding, sample))


def test_audio_info_describes_what_is_sent():
    info = over_the_wire(audio_info(bus().message("audio_common_msgs/msg/AudioInfo"), 24_000))
    assert raw_format(info) == RawFormat(24_000, 1)
    assert (info.sample_format, info.bitrate) == ("S16LE", 384_000)


def test_the_other_package_of_the_same_name_is_recognised():
    other = bus()
    known = other.message

    class AudioData:
        int16_data: tuple[int, ...] = ()

    def message(type_name: str) -> type:
        return AudioData if type_name == AUDIO_DATA else known(type_name)

    other.message = message  # type: ignore[method-assign]
    with pytest.raises(LookupError, match="other package named audio_common_msgs"):
        audio_message_class(other, AUDIO_DATA)
