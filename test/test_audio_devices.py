"""Sound cards: which one is meant, our side of PortAudio's callbacks, unplugged and plugged in."""

from __future__ import annotations

import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
from dds_support import wait_until

from personaplex_ros.audio.devices import (
    AudioDeviceError,
    DeviceInfo,
    SoundCardSink,
    SoundCardSource,
    card,
    find_device,
    list_devices,
)
from personaplex_ros.audio.devices.library import capture_stamp_ns, play_stamp_ns

CARDS = [
    DeviceInfo(0, "HDA Intel: Generic (hw:0,0)", 2, 2, 44_100, "ALSA", True, True),
    DeviceInfo(1, "USB PnP Sound: Audio (hw:1,0)", 1, 0, 48_000, "ALSA"),
    DeviceInfo(2, "USB PnP Sound: Audio (hw:2,0)", 1, 0, 48_000, "ALSA"),
    DeviceInfo(3, "pulse", 32, 32, 44_100, "ALSA"),
    DeviceInfo(4, "pulse server", 0, 2, 44_100, "JACK"),
]


def wait_until_back(card: SoundCardSource | SoundCardSink, portaudio) -> None:
    wait_until(lambda: portaudio.breathe() or not card.problem)


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


@pytest.mark.parametrize(
    ("wanted", "kind", "index"),
    [
        (None, "input", 0),
        (3, "output", 3),
        ("hda", "input", 0),
        ("generic INTEL", "output", 0),
        ("usb (hw:2,0)", "input", 2),
        ("pulse", "output", 3),  # a whole name goes before a part of another one
        ("pulse server, JACK", "output", 4),
    ],
)
def test_a_card_is_meant_by_number_name_or_words(wanted, kind, index):
    assert find_device(CARDS, wanted, kind).index == index


@pytest.mark.parametrize(
    ("wanted", "kind", "told"),
    [
        ("usb", "input", r"may be any of 1: USB .*hw:1,0\), ALSA; 2: USB .*hw:2,0.*say more"),
        ("usb pnp sound: audio", "input", "may be any of 1: .*; 2: "),
        ("usb", "output", "no loudspeaker 'usb'; there are: 0: HDA .*; 3: pulse, ALSA; 4: pulse s"),
        (9, "input", "no microphone '9'; there are: 0: HDA"),
    ],
)
def test_a_card_that_is_not_clear_is_told_with_what_there_is(wanted, kind, told):
    with pytest.raises(AudioDeviceError, match=told):
        find_device(CARDS, wanted, kind)


def test_a_machine_without_cards_says_so(portaudio):
    portaudio.unplug("Room Kit: USB (hw:1,0)")
    with pytest.raises(AudioDeviceError, match="there is no microphone: 'personaplex devices'"):
        SoundCardSource(lambda chunk: None)


def test_a_card_that_another_program_holds_is_named(portaudio):
    portaudio.plug("busy Mic: USB (hw:2,0)")
    with pytest.raises(AudioDeviceError, match=r"busy Mic.* cannot be opened \(Device unavail"):
        SoundCardSource(lambda chunk: None, device="busy")


def test_cards_are_listed(portaudio):
    name = "Room Kit: USB (hw:1,0)"
    assert list_devices() == [DeviceInfo(0, name, 1, 1, 48_000, "ALSA", True, True)]


def test_the_converters_time_is_mapped_to_the_wall_clock():
    assert capture_stamp_ns(99.97, 100.0, 5_000_000_000, 960, 48_000) == 4_970_000_000
    # 20 ms block; host interfaces that do not know the time say 0 or something absurd.
    assert capture_stamp_ns(0.0, 100.0, 5_000_000_000, 960, 48_000) == 4_980_000_000
    assert capture_stamp_ns(100.5, 100.0, 5_000_000_000, 960, 48_000) == 4_980_000_000
    assert play_stamp_ns(100.04, 100.0, 5_000_000_000, 0.03) == 5_040_000_000
    assert play_stamp_ns(0.0, 100.0, 5_000_000_000, 0.03) == 5_030_000_000
    assert play_stamp_ns(99.0, 100.0, 5_000_000_000, 0.03) == 5_030_000_000


def capture(stream, value, adc_s, overflow=False, memory=np.zeros((960, 1), np.int16)):  # noqa: B008
    memory[:] = value  # PortAudio hands over the same memory again
    times = SimpleNamespace(inputBufferAdcTime=adc_s, currentTime=adc_s + 0.02)
    stream.callback(memory, 960, times, SimpleNamespace(input_overflow=overflow))


def test_blocks_become_chunks_and_lost_samples_keep_their_place(portaudio):
    got = []
    source = SoundCardSource(got.append)
    source.start()
    (stream,) = portaudio.open("input")
    assert (stream.samplerate, stream.blocksize, stream.dtype) == (48_000, 960, "int16")
    for value, adc_s, overflow in [(1, 10.00, False), (2, 10.02, False), (3, 10.10, True)]:
        capture(stream, value, adc_s, overflow)
    assert [(int(chunk.samples[0]), chunk.first_sample) for chunk in got] == [
        (1, 0),
        (2, 960),
        (3, 960 * 2 + 2_880),
    ]
    assert all(abs(time.time_ns() - 20_000_000 - chunk.stamp_ns) < 2e9 for chunk in got)
    assert source.snapshot().overflows == 1 and source.snapshot().lost_samples == 2_880
    source.stop()
    assert stream.closed


def test_what_is_played_is_told_with_its_time(portaudio):
    played = []
    sink = SoundCardSink(24_000, start_s=0.05, on_played=lambda *what: played.append(what))
    sink.start()
    (stream,) = portaudio.open("output")
    assert stream.samplerate == sink.rate == 48_000
    tone = (0.5 * np.sin(2 * np.pi * 1_000 * np.arange(2_400) / 24_000)).astype(np.float32)
    sink.write(tone)
    times_ns = [time.time_ns()]
    block = stream.play(4_000, dac_s=10.04)
    times_ns.append(time.time_ns())
    expected = 0.5 * np.sin(2 * np.pi * 1_000 * np.arange(4_000) / 48_000)
    assert np.abs(block[200:, 0] - expected[200:]).max() < 0.01
    assert sink.snapshot().playback.underruns == 0
    stream.play(4_000, output_underflow=True)
    times_ns.append(time.time_ns())
    assert sink.snapshot().playback.underruns == 1 and sink.snapshot().underflows == 1
    (samples, rate, play_ns), (_, _, later_ns) = played
    assert np.array_equal(samples, block[:, 0]) and rate == 48_000
    assert times_ns[0] <= play_ns - 40_000_000 <= times_ns[1]
    assert times_ns[1] <= later_ns - 30_000_000 <= times_ns[2]  # untold by the card: its latency
    sink.stop()


def test_a_loudspeaker_that_goes_is_told_once_and_comes_back_without_old_speech(portaudio):
    told = []
    sink = SoundCardSink(24_000, start_s=0.02, on_change=told.append)
    sink.start()
    sink.write(np.full(4_800, 0.5, np.float32))
    portaudio.unplug("Room Kit: USB (hw:1,0)")
    wait_until(lambda: sink.problem)
    sink.write(np.full(2_400, 0.5, np.float32))
    wait_until(lambda: "there is no loudspeaker" in sink.problem)
    portaudio.plug("Room Kit: USB (hw:2,0)")  # another place
    wait_until_back(sink, portaudio)
    wait_until(lambda: len(told) == 2)
    assert "the loudspeaker Room Kit" in told[0] and told[1] == ""
    counters = sink.snapshot()
    assert (counters.unheard_samples, counters.reopened) == (2_400, 1)
    (stream,) = portaudio.open("output")
    assert not stream.play(2_400).any()
    sink.write(np.full(2_400, 0.5, np.float32))
    assert stream.play(2_400)[-100:].min() > 0.4
    sink.stop()
    assert not portaudio.open("output")


def test_a_microphone_that_comes_back_goes_on_at_the_present_time(portaudio):
    got = []
    source = SoundCardSource(got.append, device=0)
    source.start()
    capture(portaudio.open("input")[0], 1, 10.0)
    portaudio.unplug("Room Kit: USB (hw:1,0)")
    wait_until(lambda: source.problem)
    portaudio.plug("Other: Thing (hw:1,0)")  # now has the number that was chosen
    portaudio.plug("Room Kit: USB (hw:2,0)")
    wait_until_back(source, portaudio)
    (stream,) = portaudio.open("input")
    assert stream.device == 1
    gap = got[1].first_sample - got[0].first_sample
    assert gap == pytest.approx((got[1].stamp_ns - got[0].stamp_ns) * 48e-6, abs=2)
    source.stop()


def test_a_card_that_gives_no_sound_any_more_is_opened_again(portaudio, monkeypatch):
    monkeypatch.setattr(card, "STILL_LOOKS", 5)
    told = []
    source = SoundCardSource(lambda chunk: None, on_change=told.append)
    source.start()
    (first,) = portaudio.open("input")
    wait_until(lambda: first.closed)
    wait_until(lambda: len(portaudio.streams) > 4)  # it can be opened, and is as still as before
    assert told == [source.problem] and "takes and gives no sound" in source.problem
    wait_until_back(source, portaudio)
    wait_until(lambda: told[1:] == [""])
    assert source.snapshot().reopened == 1
    source.stop()


def test_other_cards_go_on_and_are_interrupted_once_for_a_new_one(portaudio):
    portaudio.plug("Speaker: USB (hw:2,0)", inputs=0)
    got = []
    source = SoundCardSource(got.append, device="room")
    sink = SoundCardSink(24_000, device="speaker")
    source.start()
    sink.start()
    (microphone,) = portaudio.open("input")
    portaudio.unplug("Speaker: USB (hw:2,0)")
    initialised = portaudio.initialised
    wait_until(lambda: capture(microphone, 1, 10.0) or sink.problem)
    for _ in range(20):  # some attempts to open it again
        capture(microphone, 1, 10.0)
        time.sleep(0.005)
    assert not microphone.closed
    assert portaudio.initialised == initialised
    portaudio.plug("Speaker: USB (hw:3,0)", inputs=0, at=0)
    wait_until_back(sink, portaudio)
    assert portaudio.initialised == initialised + 1
    assert microphone.closed and not source.problem  # it is open anew
    (microphone,) = portaudio.open("input")
    assert portaudio.known[microphone.device]["name"].startswith("Room Kit")
    capture(microphone, 2, 10.0)
    assert got[-1].samples[0] == 2
    source.stop()
    sink.stop()


def test_a_card_with_its_old_place_is_opened_without_touching_the_others(portaudio):
    portaudio.plug("Speaker: USB (hw:2,0)", inputs=0)
    source = SoundCardSource(lambda chunk: None, device="room")
    sink = SoundCardSink(24_000, device="speaker")
    source.start()
    sink.start()
    (microphone,), (loudspeaker,) = portaudio.open("input"), portaudio.open("output")
    card = loudspeaker.card
    portaudio.unplug(card["name"])
    wait_until(lambda: capture(microphone, 1, 10.0) or sink.problem)
    portaudio.cards.append(card)
    wait_until_back(sink, portaudio)
    assert not microphone.closed
    source.stop()
    sink.stop()
