"""Sound cards: errors where there is none, and our side of PortAudio's callbacks."""

from __future__ import annotations

import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest

from personaplex_ros.audio import (
    AudioDeviceError,
    DeviceInfo,
    SoundCardSink,
    SoundCardSource,
    list_devices,
)
from personaplex_ros.audio.devices import capture_stamp_ns


class FakePortAudio:
    """The part of the sounddevice module that is used, with one card that prefers 48 kHz."""

    PortAudioError = type("PortAudioError", (Exception,), {})

    def __init__(self) -> None:
        self.streams: list[SimpleNamespace] = []

    def query_devices(self, device=None, kind=None):
        """Return all cards, or the one asked for."""
        card = {"name": "card", "max_input_channels": 2, "max_output_channels": 0}
        card["default_samplerate"] = 48_000.0
        if kind is None:
            return [card]
        if device == "absent":
            raise ValueError("No input device matching 'absent'")
        return card

    def InputStream(self, **arguments):
        """Open a microphone."""
        return self._stream(arguments)

    def OutputStream(self, **arguments):
        """Open a loudspeaker."""
        return self._stream(arguments)

    def _stream(self, arguments):
        if arguments["device"] == "busy":
            raise self.PortAudioError("Device unavailable")
        nothing = lambda: None  # noqa: E731
        stream = SimpleNamespace(**{**arguments, "device": 3}, start=nothing, close=nothing)
        self.streams.append(stream)
        return stream


@pytest.fixture
def portaudio(monkeypatch):
    module = FakePortAudio()
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    return module


def test_a_missing_python_package_is_told_with_its_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(AudioDeviceError, match="pip install sounddevice"):
        SoundCardSink(24_000)


def test_a_missing_library_is_told_with_its_remedy(monkeypatch, tmp_path):
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(AudioDeviceError, match="apt install libportaudio2"):
        list_devices()


@pytest.mark.parametrize("device", ["absent", "busy"])
def test_a_card_that_cannot_be_opened_is_named(portaudio, device):
    with pytest.raises(AudioDeviceError, match=f"input device '{device}' cannot be opened"):
        SoundCardSource(lambda chunk: None, device=device)


def test_cards_are_listed(portaudio):
    assert list_devices() == [DeviceInfo(0, "card", 2, 0, 48_000)]


def test_the_converters_time_is_mapped_to_the_wall_clock():
    assert capture_stamp_ns(99.97, 100.0, 5_000_000_000, 960, 48_000) == 4_970_000_000
    # 20 ms block; host interfaces that do not know the time say 0 or something absurd.
    assert capture_stamp_ns(0.0, 100.0, 5_000_000_000, 960, 48_000) == 4_980_000_000
    assert capture_stamp_ns(100.5, 100.0, 5_000_000_000, 960, 48_000) == 4_980_000_000


def test_blocks_become_chunks_and_lost_samples_keep_their_place(portaudio):
    got = []
    SoundCardSource(got.append)
    (stream,) = portaudio.streams
    assert (stream.samplerate, stream.blocksize, stream.dtype) == (48_000, 960, "int16")
    memory = np.zeros((960, 1), np.int16)
    for value, adc_s, overflow in [(1, 10.00, False), (2, 10.02, False), (3, 10.10, True)]:
        memory[:] = value  # PortAudio hands over the same memory again
        times = SimpleNamespace(inputBufferAdcTime=adc_s, currentTime=adc_s + 0.02)
        stream.callback(memory, 960, times, SimpleNamespace(input_overflow=overflow))
    assert [(int(chunk.samples[0]), chunk.first_sample) for chunk in got] == [
        (1, 0),
        (2, 960),
        (3, 960 * 2 + 2_880),
    ]
    assert all(abs(time.time_ns() - 20_000_000 - chunk.stamp_ns) < 2e9 for chunk in got)


def test_speech_is_resampled_for_the_card_and_underruns_are_counted(portaudio):
    sink = SoundCardSink(24_000, start_s=0.05)
    (stream,) = portaudio.streams
    assert stream.samplerate == 48_000
    tone = (0.5 * np.sin(2 * np.pi * 1_000 * np.arange(2_400) / 24_000)).astype(np.float32)
    sink.write(tone)
    block = np.ones((4_000, 1), np.float32)
    stream.callback(block, len(block), None, None)
    expected = 0.5 * np.sin(2 * np.pi * 1_000 * np.arange(4_000) / 48_000)
    assert np.abs(block[200:, 0] - expected[200:]).max() < 0.01
    assert sink.snapshot().underruns == 0
    stream.callback(block, len(block), None, None)
    assert sink.snapshot().underruns == 1
