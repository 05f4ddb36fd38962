"""The command `personaplex devices`, with a stand-in for the sound system."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from personaplex_ros.audio.devices.level import Level
from personaplex_ros.cli import main


def test_cards_are_listed_with_what_they_can(portaudio, capsys):
    portaudio.plug("HDMI 0 (hw:0,3)", inputs=0, outputs=8)
    portaudio._initialize()
    assert main(["devices"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert rows[-2].split()[:5] == ["0", "Room", "Kit:", "USB", "(hw:1,0)"]
    assert rows[-2].endswith("48000 Hz  microphone, loudspeaker")
    assert rows[-1].split() == ["1", "HDMI", "0", "(hw:0,3)", "ALSA", "0", "8", "48000", "Hz"]


def test_a_machine_without_cards_is_told_what_to_look_at(portaudio, capsys):
    portaudio.unplug("Room Kit: USB (hw:1,0)")
    portaudio._initialize()
    assert main(["devices"]) == 2
    told = capsys.readouterr().err
    assert "no sound card" in told and "arecord -l" in told and "group audio" in told


def test_the_level_is_shown_line_by_line_where_the_output_is_no_terminal(portaudio, capsys):
    def speak():
        while not portaudio.open("input"):
            time.sleep(0.01)
        while portaudio.open("input"):
            times = SimpleNamespace(inputBufferAdcTime=0.0, currentTime=1.0)
            block = np.full((960, 1), 3_277, np.int16)
            portaudio.open("input")[0].callback(
                block, 960, times, SimpleNamespace(input_overflow=False)
            )
            time.sleep(0.02)

    speaker = threading.Thread(target=speak, daemon=True)
    speaker.start()
    assert main(["devices", "--test", "room", "--seconds", "0.5"]) == 0
    first, line = capsys.readouterr().out.splitlines()
    assert first == "Room Kit: USB (hw:1,0), 48000 Hz; Ctrl-C ends"
    assert line.startswith("[####") and "-20.0 dBFS, peak  -20.0  good" in line
    assert not portaudio.open("input")


def test_a_microphone_that_gives_nothing_is_an_error(portaudio, capsys):
    assert main(["devices", "--test", "--seconds", "0.3"]) == 2
    assert "gave no sound" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("peak", "verdict"),
    [
        (0, "digital silence: muted?"),
        (30, "quiet"),
        (3_000, "good"),
        (31_000, "loud"),
        (32_767, "too loud: it is cut off"),
    ],
)
def test_what_a_level_means(peak, verdict):
    level = Level.of(np.array([0, peak, -peak], np.int16))
    assert level.verdict() == verdict
    assert level.line().endswith(verdict) and len(level.line(20)) == len(level.line(40)) - 20
