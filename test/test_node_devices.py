"""The node with sound cards: unplugged and plugged in again, told on /diagnostics and logged."""

from __future__ import annotations

import time
from types import SimpleNamespace

import numpy as np
import pytest
from node_support import robot

from personaplex_ros.audio.devices import AudioDeviceError

OK, WARN, ERROR = 0, 1, 2
CARD = "Room Kit: USB (hw:1,0)"


def speak(stream, level=3_000, blocks=8):
    """Let the card's microphone hear something."""
    for _ in range(blocks):
        times = SimpleNamespace(inputBufferAdcTime=0.0, currentTime=1.0)
        block = np.full((960, 1), level, np.int16)
        stream.callback(block, 960, times, SimpleNamespace(input_overflow=False))


def heard(bus, since):
    """Tell whether the robot has said something since so many messages."""
    return any(np.asarray(m.data).any() for m in bus.topics["audio_out"][since:])


def converse(it, portaudio):
    """Speak into the card until the robot answers on its loudspeaker."""
    since = len(it.bus.topics["audio_out"])

    def answered():
        speak(portaudio.open("input")[0])
        portaudio.open("output")[0].play(4_800)
        return heard(it.bus, since)

    it.bus.wait_for(answered)
    it.bus.wait_for(lambda: portaudio.open("output")[0].play(960).any())


def wait_until_back(it, portaudio):
    """Wait until the log says that both cards are back."""
    ours = ("the microphone is back", "the loudspeaker is back")
    it.bus.wait_for(lambda: portaudio.breathe() or set(ours) <= {text for _, text in it.bus.lines})


def test_a_card_that_goes_is_an_error_and_the_robot_answers_when_it_is_back(portaudio):
    cards = {"audio_source": "device:room", "audio_sink": "device:room"}
    with robot(late_audio_timeout_s=0.1, **cards) as it:
        converse(it, portaudio)
        statuses = it.bus.diagnostics()
        assert statuses["microphone card"].level == OK
        assert statuses["microphone card"].values["card"] == CARD
        assert statuses["loudspeaker card"].level == OK
        portaudio.unplug(CARD)
        it.bus.wait_for_log(f"the microphone {CARD} is lost")
        it.bus.wait_for_log(f"the loudspeaker {CARD} is lost")
        frames = it.frames
        it.bus.wait_for(lambda: it.frames > frames + 3)  # silence takes its place
        statuses = it.bus.diagnostics()
        for task in ("microphone card", "loudspeaker card"):
            assert statuses[task].level == ERROR and "is lost" in statuses[task].message
        time.sleep(0.1)  # some retries
        errors = [line for level, line in it.bus.lines if level == "error"]
        assert len(errors) == 2
        portaudio.plug("Room Kit: USB (hw:2,0)")
        wait_until_back(it, portaudio)
        converse(it, portaudio)
        statuses = it.bus.diagnostics()
        assert statuses["microphone card"].values["reopened"] == "1"
        assert statuses["loudspeaker card"].values["reopened"] == "1"
        assert int(statuses["loudspeaker card"].values["unheard samples"]) > 0


def test_lost_sound_is_told_while_it_grows(portaudio):
    with robot(audio_source="device", audio_sink="device") as it:
        converse(it, portaudio)
        it.bus.diagnostics()
        speak(portaudio.open("input")[0])
        portaudio.open("output")[0].play(960, output_underflow=True)
        status = it.bus.diagnostics()["loudspeaker card"]
        assert status.level == WARN and "nothing to play 1 times" in status.message
        assert it.bus.diagnostics()["microphone card"].level == OK
        converse(it, portaudio)


def test_a_paused_node_holds_no_microphone_and_resumes_without_it(portaudio):
    with robot(audio_source="device", audio_sink="device", late_audio_timeout_s=0.1) as it:
        it.conversation.deactivate()
        assert not portaudio.open("input")
        assert "microphone card" not in it.bus.diagnostics()
        portaudio.unplug(CARD)
        it.conversation.activate()
        assert it.bus.diagnostics()["microphone card"].level == ERROR
        portaudio.plug(CARD)
        wait_until_back(it, portaudio)
        converse(it, portaudio)


@pytest.mark.parametrize("name", ["audio_source", "audio_sink"])
def test_a_card_that_is_not_there_is_refused_before_the_model_is_loaded(portaudio, name):
    with robot(activate=False, **{name: "device:kitchen"}) as it:
        with pytest.raises(AudioDeviceError, match=f"'kitchen'; there are: 0: {CARD[:8]}"):
            it.conversation.configure()
        assert not it.engine.prepared
