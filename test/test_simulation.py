"""The simulated robot on a graph: how soon it stands, what is measured, and the whole of it."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from node_support import FRAME, RATE, FakeEngine, MemoryBus, Robot
from simulation_support import Graph

from personaplex_ros.cli import main
from personaplex_ros.mux_file import read_mux_file
from personaplex_ros.node.conversation import Conversation
from personaplex_ros.node.hosts.messages import DiagnosticsFactory, Status, time_ns
from personaplex_ros.node.loading import load_engine
from personaplex_ros.node.parameters.table import Parameters
from personaplex_ros.resources import share_directory
from personaplex_ros.simulation.microphone import MicrophoneNode
from personaplex_ros.simulation.nodes import BaseNode, DriverNode, MuxNode, PatrolNode
from personaplex_ros.simulation.receptionist import ReceptionistNode
from personaplex_ros.simulation.stops import Stop, find_stops
from personaplex_ros.simulation.track import Track

pytestmark = pytest.mark.alone

CONFIG = share_directory() / "config"
MUX_FILE = CONFIG / "twist_mux.yaml"
HOLD_TO_STAND_S = 0.18
"""Three missed commands (0.06 s), a tick of each node, and braking from 0.22 m/s at 3 m/s2."""
ONSET_TO_STAND_S = 0.35
"""From the acoustic onset of an interruption to a robot that stands, in the conversation's time."""


# From the topic to the stand


@pytest.fixture(params=[True, False], ids=["TwistStamped", "Twist"])
def graph(request: pytest.FixtureRequest, tmp_path: Path) -> Graph:
    graph = Graph()
    text = MUX_FILE.read_text().replace("use_stamped: true", f"use_stamped: {request.param}")
    path = tmp_path / "mux.yaml"
    path.write_text(text)
    configuration = read_mux_file(path)
    MuxNode(graph, configuration)
    PatrolNode(graph, stamped=configuration.stamped)
    BaseNode(graph, stamped=configuration.stamped)
    return graph


@pytest.mark.parametrize("patrolled_s", [3.0, 9.7], ids=["driving", "turning"])
def test_the_robot_stands_soon_after_motion_hold_and_goes_on_after_it(graph, patrolled_s):
    assert all(moves for _, moves in graph.run(patrolled_s, False)[5:])
    held_at = graph.time_s
    motion = graph.run(2.0, True)
    stood_at = next(time_s for time_s, moves in motion if not moves)
    assert stood_at - held_at <= HOLD_TO_STAND_S
    assert not any(moves for time_s, moves in motion if time_s >= stood_at)
    released_at = graph.time_s
    motion = graph.run(1.0, False)
    assert next(time_s for time_s, moves in motion if moves) - released_at <= 0.06


def test_the_patrol_goes_on_to_where_it_was_going(graph):
    graph.run(3.0, False)
    graph.run(5.0, True)
    graph.run(9.0, False)
    x, y = (getattr(graph.topics["odom"][-1].pose.pose.position, axis) for axis in "xy")
    assert x == pytest.approx(2.0, abs=0.1) and 0.0 < y < 1.0


def test_the_driver_brakes_gazebos_wheels_when_commands_stop():
    bus = Graph()
    DriverNode(bus, stamped=False)
    command = bus.message("geometry_msgs/msg/Twist")()
    command.linear.x = 0.2
    for _ in range(50):
        bus.callbacks["cmd_vel"](command, "")
        bus.tick(0.02)
    assert bus.topics["drive"][-1].linear.x == pytest.approx(0.2)
    bus.tick(HOLD_TO_STAND_S)
    assert bus.topics["drive"][-1].linear.x == 0.0


def test_without_a_node_the_base_stands(graph):
    assert not any(moves for _, moves in graph.run(1.0, None))


def test_a_node_that_dies_while_the_robot_drives_stops_it(graph):
    graph.run(3.0, False)
    motion = graph.run(2.0, None)
    assert not any(moves for _, moves in motion[-40:])


# A behaviour tree that leads the patrol


def test_a_receptionist_stands_while_it_is_spoken_to_and_goes_on_after_the_conversation():
    bus = Graph()
    configuration = read_mux_file(MUX_FILE)
    MuxNode(bus, configuration)
    ReceptionistNode(bus, stamped=configuration.stamped)
    BaseNode(bus, stamped=configuration.stamped)

    def run(seconds: float, **said: bool) -> list[tuple[float, bool]]:
        for topic in ("user_speaking", "robot_speaking", "engaged"):
            message = bus.message("std_msgs/msg/Bool")()
            message.data = said.get(topic, False)
            bus.published(topic, message)
        return bus.run(seconds, hold=False)

    assert all(moves for _, moves in run(3.0)[20:])
    begun = bus.time_s
    motion = run(0.4, user_speaking=True) + run(0.6, user_speaking=True, engaged=True)
    motion += run(2.0, engaged=True) + run(1.5, robot_speaking=True, engaged=True)
    motion += run(2.5, engaged=True)
    stood = next(time_s for time_s, moves in motion if not moves)
    assert stood - begun <= 0.1 + HOLD_TO_STAND_S, "a tick of the tree, then as after a lock"
    assert not any(moves for time_s, moves in motion if time_s >= stood)
    assert all(moves for _, moves in run(2.0)[-40:])


# What is measured


def test_a_stop_is_measured_from_the_persons_voice_to_the_stand():
    motion = [(0.1 * k, not 14 <= k < 30) for k in range(50)]
    holds = [(0.0, False), (1.25, True), (1.35, True), (2.9, False)]
    (stop,) = find_stops([0.6], holds, motion, 5.0)
    assert stop == Stop(0.6, 1.25, pytest.approx(1.4), 2.9, pytest.approx(3.0))
    assert stop.onset_to_stopped_s == pytest.approx(0.8)
    assert stop.hold_to_stopped_s == pytest.approx(0.15)


def test_a_hold_without_an_interruption_is_told_apart():
    holds = [(1.0, True), (1.2, False), (3.0, True), (4.0, False), (4.6, True)]
    motion = [(0.5, True), (3.1, False), (4.5, True)]
    first, second, third = find_stops([2.5], holds, motion, 5.0)
    assert first.onset_s is None and first.stopped_s is None, "too short to come to a stand"
    assert (second.onset_s, second.stopped_s, second.resumed_s) == (2.5, 3.1, 4.5)
    assert third.onset_s is None, "an interruption causes one hold"


def test_a_recording_that_ends_during_a_hold_has_no_resumption():
    (stop,) = find_stops([1.0], [(1.5, True)], [(1.0, True), (1.7, False)], 2.0)
    assert stop.stopped_s == 1.7 and stop.released_s is None and stop.resumed_s is None


def test_nothing_recorded_is_said_with_the_remedy(tmp_path):
    with pytest.raises(ValueError, match="no odometry was recorded; is the base running"):
        Track(MemoryBus()).save(tmp_path, 1.0, "nothing")


# A file as the microphone


def test_a_file_is_heard_again_and_again_as_one_stream_once_the_node_is_active(tmp_path):
    path = tmp_path / "caller.wav"
    soundfile.write(path, np.arange(1200, dtype=np.int16), RATE)  # 50 ms
    bus = MemoryBus()
    microphone = MicrophoneNode(bus, path, loop=True)
    try:
        time.sleep(0.15)
        assert not bus.topics["audio_in"], "nobody listens yet"
        factory = DiagnosticsFactory(bus)
        status = Status("conversation", 0, "active", [("state", "active")])
        bus.callbacks["/diagnostics"](factory.array(0, "cpu", [status]), "")
        bus.wait_for(lambda: len(bus.topics["audio_in"]) >= 7)
    finally:
        microphone.close()
    heard = bus.topics["audio_in"][:7]
    assert [m.first_sample for m in heard] == [0, 480, 960, 1200, 1680, 2160, 2400]
    assert np.array_equal(np.concatenate([m.data for m in heard[3:6]]), np.arange(1200))
    assert abs(time.time_ns() - time_ns(heard[-1].header.stamp)) < 2e9
    assert "audio_in" not in bus.open_topics


# The whole: a caller, a conversation with the bundled model, a patrol


def test_a_receptionist_stops_when_it_is_interrupted_and_resumes():
    # The second question of the demo's caller, and the person breaking into its answer.
    samples, rate = soundfile.read(CONFIG / "demo" / "caller.wav", dtype="int16")
    caller = samples[round(6.5 * rate) : round(16.3 * rate)]
    bus = Graph()
    configuration = read_mux_file(MUX_FILE)
    track = Track(bus)
    MuxNode(bus, configuration)
    PatrolNode(bus, stamped=configuration.stamped)
    BaseNode(bus, stamped=configuration.stamped)
    values = {"device": "cpu", "seed": 0, "late_audio_timeout_s": 2.0}
    # As in `simulate`, no sound comes back from the loudspeaker.
    parameters = Parameters.of({**values, "echo_cancellation": "off"})
    conversation = Conversation(bus, parameters, load_engine)
    try:
        conversation.configure()
        conversation.activate()
        bus.tick(2.0)
        track.begin(bus.now_ns())
        robot = Robot(bus, FakeEngine(), conversation, next_stamp_ns=bus.now_ns())
        for first in range(0, len(caller) - FRAME, FRAME):
            answered = robot.frames
            bus.tick(FRAME / RATE)  # a frame is there when its last sample is
            robot.send(robot.audio(caller[first : first + FRAME]))
            bus.wait_for(lambda n=answered: robot.frames > n)
        stops = track.stops(len(caller) / rate)
    finally:
        conversation.shutdown()
    (stop,) = [stop for stop in stops if stop.onset_s is not None]
    assert stop.onset_s == pytest.approx(4.4, abs=0.15)
    assert stop.onset_to_stopped_s is not None and stop.hold_to_stopped_s is not None
    assert 0.0 < stop.hold_to_stopped_s <= HOLD_TO_STAND_S
    assert stop.onset_to_stopped_s <= ONSET_TO_STAND_S
    # It stands until the person has said what they wanted, 2.7 s later, and is answered.
    assert stop.resumed_s is not None and 2.7 < stop.resumed_s - stop.onset_s < 4.0


def test_the_command_runs_all_of_it_over_dds(
    tmp_path: Path, robots_graph: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    samples, rate = soundfile.read(CONFIG / "demo" / "caller.wav", dtype="int16")
    audio = tmp_path / "caller.wav"
    soundfile.write(audio, samples[:rate], rate)
    words = ["--audio-file", str(audio), "--loop", "2", "--output", str(tmp_path / "out")]
    assert main(["simulate", *words, "--device", "cpu"]) == 0
    assert robots_graph == [], "a robot of this domain heard the simulation"
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    # 2 s of audio and 5 s after it at 0.22 m/s, less a corner; a locked base does not move.
    assert 0.3 < summary["distance_m"] < 1.6
    assert summary["standing_s"] == [] and summary["stops"] == []
    for name in ("motion.png", "timeline.png", "conversation.wav", "transcript.txt"):
        assert (tmp_path / "out" / name).is_file()
    assert "caller.wav speaks for 2 s" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--loop", "0"], "--loop is 0; it must be at least 1"),
        (["--audio-file", "none.wav"], "none.wav"),
        (["--mux-file", "none.yaml"], "none.yaml"),
    ],
)
def test_what_cannot_be_simulated_is_said(words, problem, capsys):
    assert main(["simulate", *words]) == 2
    assert problem in capsys.readouterr().err
