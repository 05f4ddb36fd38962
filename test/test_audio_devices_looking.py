"""Looking for a card by another process, which has its own view of the cards and may be killed."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from personaplex_ros.audio.devices import AudioDeviceError, looking
from personaplex_ros.audio.devices.card import Card

SYSTEM = """
import time

class PortAudioError(Exception):
    pass

class InputStream:
    def __init__(self, device, channels, samplerate, callback):
        if {hangs}:
            time.sleep(60)
        if samplerate != 44_100:
            raise PortAudioError("Invalid sample rate")
        if device != {works}:
            raise PortAudioError("Device unavailable")

    def close(self):
        pass

def query_devices():
    card = dict(max_input_channels=1, max_output_channels=0, default_samplerate=44100.0, hostapi=0)
    return [dict(card, name="Desk"), dict(card, name="Ceiling")]

def query_hostapis():
    return [dict(name="ALSA", default_input_device=0, default_output_device=-1)]
"""


def card(wanted: str) -> Card:
    return Card("input", wanted, None, lambda rate: {}, print, print)


def system(monkeypatch: pytest.MonkeyPatch, folder: Path, works: int, hangs: bool = False) -> None:
    """Let other processes find these cards."""
    (folder / "sounddevice.py").write_text(SYSTEM.format(works=works, hangs=hangs))
    monkeypatch.setenv("PYTHONPATH", str(folder))


def test_a_card_is_found_that_can_be_opened_at_one_of_the_rates(monkeypatch, tmp_path):
    system(monkeypatch, tmp_path, works=1)
    looking.look_for(card("ceiling"))


def test_why_a_card_cannot_be_used_is_told(monkeypatch, tmp_path):
    system(monkeypatch, tmp_path, works=1)
    with pytest.raises(AudioDeviceError, match=r"Desk cannot be opened \(Device unavailable\)"):
        looking.look_for(card("desk"))
    with pytest.raises(AudioDeviceError, match="no microphone 'floor'; there are: 0: Desk, ALSA"):
        looking.look_for(card("floor"))


def test_a_driver_that_hangs_or_a_system_without_sound_holds_up_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(looking, "LONGEST_S", 0.5)
    system(monkeypatch, tmp_path, works=1, hangs=True)
    began = time.monotonic()
    with pytest.raises(AudioDeviceError, match="sound does not answer"):
        looking.look_for(card("desk"))
    assert time.monotonic() - began < 10.0
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    with pytest.raises(AudioDeviceError, match="sound does not answer"):
        looking.look_for(card("desk"))
