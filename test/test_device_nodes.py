"""The nodes microphone and speaker on a stand-in for the sound system and a bus in memory."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from node_support import MemoryBus

from personaplex_ros.audio.devices import AudioDeviceError
from personaplex_ros.node.devices.kinds import KINDS
from personaplex_ros.node.devices.parameters import FixedParameters
from personaplex_ros.node.hosts.messages import time_ns
from personaplex_ros.node.hosts.names import NodeName, parse_ros_arguments
from personaplex_ros.node.parameters.definition import ParameterError
from personaplex_ros.node.parameters.start import start_values

OWN = "personaplex_ros/msg/AudioFrame"
RAW = "audio_common_msgs/msg/AudioDataStamped"
ERROR = 2


def opened(name, bus, **values):
    kind = KINDS[name]
    return kind.make(bus, kind.values(**values))


def capture(portaudio, level=3_000, blocks=1):
    (stream,) = portaudio.open("input")
    times = SimpleNamespace(inputBufferAdcTime=0.0, currentTime=1.0)
    for _ in range(blocks):
        block = np.full((stream.blocksize, 1), level, np.int16)
        stream.callback(block, len(block), times, SimpleNamespace(input_overflow=False))


def levels(bus):
    bus.timers[1.0]()
    return {s.name.rpartition(": ")[2]: int(s.level) for s in bus.topics["/diagnostics"][-1].status}


@pytest.mark.parametrize(("type_name", "has_info"), [(OWN, False), (RAW, True)])
def test_what_the_card_hears_is_published_in_the_chosen_type(portaudio, type_name, has_info):
    bus = MemoryBus()
    node = opened("microphone", bus, audio_in_type=type_name, sample_rate=16_000)
    capture(portaudio, blocks=3)
    messages = bus.topics["audio_in"]
    assert len(messages) == 3
    if has_info:
        (info,) = bus.topics["audio_in_info"]
        assert (info.sample_rate, info.channels, info.sample_format) == (16_000, 1, "S16LE")
        assert np.frombuffer(bytes(messages[0].audio.data), np.int16)[0] == 3_000
    else:
        assert [m.first_sample for m in messages] == [0, 320, 640]
        assert messages[0].sample_rate == 16_000 and list(messages[0].data) == [3_000] * 320
    assert messages[0].header.frame_id == "robot_microphone"
    assert 0 <= bus.now_ns() - time_ns(messages[0].header.stamp) < 5e9
    assert levels(bus) == {"node": 0, "microphone card": 0}
    node.close()
    assert not portaudio.open("input") and not bus.timers


def test_a_microphone_that_is_gone_publishes_nothing_and_goes_on_when_it_is_back(portaudio):
    bus = MemoryBus()
    node = opened("microphone", bus, card="room")
    capture(portaudio)
    portaudio.unplug("Room Kit: USB (hw:1,0)")
    bus.wait_for_log("is lost")
    assert levels(bus)["microphone card"] == ERROR
    portaudio.plug("Room Kit: USB (hw:2,0)")
    bus.wait_for(lambda: portaudio.breathe() or "is back" in bus.lines[-1][1])
    capture(portaudio, level=4_000)
    assert bus.topics["audio_in"][-1].data[0] == 4_000
    assert levels(bus)["microphone card"] == 0
    node.close()


def speech(bus, first, level=8_000, length=1_920, rate=24_000):
    message = bus.message(OWN)()
    message.sample_rate, message.channels, message.first_sample = rate, 1, first
    message.data = np.full(length, level, np.int16)
    return message


def test_what_is_said_is_played_and_faults_are_told(portaudio):
    bus = MemoryBus()
    node = opened("speaker", bus, audio_out_reliability="reliable")
    assert bus.qos["audio_out"].reliable
    (stream,) = portaudio.open("output")
    for first in (0, 1_920, 3_840):
        bus.callbacks["audio_out"](speech(bus, first), "robot")
    bus.wait_for(lambda: abs(stream.play(480)[:, 0]).max() > 0.2)
    assert levels(bus) == {"node": 0, "loudspeaker card": 0, "speech": 0}
    bus.callbacks["audio_out"](speech(bus, 5_760, rate=1), "robot")
    assert levels(bus)["speech"] == 1
    assert "bad rate: 1 Hz" in bus.topics["/diagnostics"][-1].status[-1].message
    assert levels(bus)["speech"] == 0
    node.close()
    assert stream.closed and not bus.callbacks


def test_a_card_that_is_not_there_leaves_nothing_open(portaudio):
    for name in KINDS:
        bus = MemoryBus()
        with pytest.raises(AudioDeviceError, match="'kitchen'; there are: 0: Room Kit"):
            opened(name, bus, card="kitchen")
        assert not bus.timers and not bus.callbacks and not bus.open_topics


def test_parameters_are_taken_from_a_file_for_all_nodes_and_cannot_be_changed(tmp_path):
    (tmp_path / "robot.yaml").write_text(
        "/**: {ros__parameters: {audio_in_type: foxglove_msgs/msg/RawAudio, device: cuda}}\n"
        "/robot1/microphone: {ros__parameters: {card: usb pnp}}\n"
    )
    words = ["--ros-args", "--params-file", str(tmp_path / "robot.yaml")]
    kind = KINDS["microphone"]
    node = NodeName("microphone", "/robot1")
    start = start_values(parse_ros_arguments(words), node, kind.table)
    parameters = kind.values(**start.parameters)
    assert parameters.card == "usb pnp"
    assert parameters.audio_in_type == "foxglove_msgs/msg/RawAudio"
    owner = FixedParameters(parameters)
    owner.set_parameters({"card": "usb pnp"})
    with pytest.raises(ParameterError, match="card: can only be set when the node starts"):
        owner.set_parameters({"card": "hdmi"})
    words += ["-p", "crad:=hdmi"]
    with pytest.raises(ParameterError, match="no parameter crad; did you mean card"):
        start_values(parse_ros_arguments(words), node, kind.table)
