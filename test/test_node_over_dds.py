"""The node as a process on a ROS 2 graph, with an independent client in another process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dds_support import loopback, process, wait_until

from personaplex_ros.audio import float32_to_int16, read_wave
from personaplex_ros.node.dds.bus import DdsBus
from personaplex_ros.node.hosts.bus import RELIABLE
from personaplex_ros.node.hosts.messages import time_ns
from personaplex_ros.node.requests.say_action import SAY
from personaplex_ros.node.sound.types import AUDIO_FRAME

pytestmark = pytest.mark.alone

HERE = Path(__file__).resolve().parent
ROBOT = str(HERE / "talk_peer.py")
CALLER = HERE.parent / "config" / "demo" / "caller.wav"
FRAME_NS = 80_000_000


def start_node(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "personaplex_ros", "node", *arguments],
        cwd=HERE.parent,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def end_node(node: subprocess.Popen[str]) -> tuple[int, float, str]:
    """Interrupt it; return exit status, seconds until the end, log."""
    begin = time.monotonic()
    node.send_signal(signal.SIGINT)
    try:
        _, log = node.communicate(timeout=20)
    finally:
        node.kill()
    return node.returncode, time.monotonic() - begin, log


def parameters(**values: object) -> list[str]:
    return ["--ros-args", *(w for n, v in values.items() for w in ("-p", f"{n}:={v}"))]


@pytest.fixture(scope="module")
def node() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as environment:
        loopback(environment)
        running = start_node(*parameters(device="cpu", seed=1))
        try:
            assert running.stderr is not None
            line = running.stderr.readline()
            assert "loaded checkpoint nano" in line, line + running.stderr.read()
            assert "active" in running.stderr.readline()
            yield
            status, seconds, log = end_node(running)
            assert (status, seconds < 5.0) == (0, True), log
        finally:
            running.kill()


WORDS = ["We", "are", "open", "from", "eight", "to", "five."]


def say_over_dds(cancelled: bool = False) -> tuple[str, Any, list[tuple[str, int, int]], int]:
    """Let the node say ``WORDS``; return outcome, result, feedback and the loudest sample."""
    bus = DdsBus("tree")
    try:
        client = bus.action_client("personaplex/say", SAY)
        wait_until(client.ready)
        peaks = [0]
        frame_type = "personaplex_ros/msg/AudioFrame"
        bus.subscribe(
            "audio_out", frame_type, RELIABLE, lambda msg, _: peaks.append(np.abs(msg.data).max())
        )
        told: list[tuple[str, int, int]] = []
        ends: list[tuple[str, Any]] = []
        say: Any = bus.message(SAY)
        sent = client.send(
            say.Goal(text=" ".join(WORDS)),
            lambda feedback: told.append((feedback.word, feedback.index, time_ns(feedback.stamp))),
            lambda outcome, result: ends.append((outcome, result)),
        )
        if cancelled:
            wait_until(lambda: len(told) == 3)
            sent.cancel()
        wait_until(lambda: ends, 20.0)
    finally:
        bus.close()
    ((outcome, result),) = ends
    return outcome, result, told, max(peaks)


@pytest.mark.parametrize("cancelled", [False, True])
def test_a_given_sentence_over_dds(node: None, cancelled: bool) -> None:
    outcome, result, told, _ = say_over_dds(cancelled)
    said = [word for word, *_ in told]
    assert said == WORDS[: len(said)] and result.spoken == " ".join(said)
    assert [number for _, number, _ in told] == list(range(len(told)))
    stamps = [stamp for *_, stamp in told]
    assert stamps == sorted(stamps) and abs(time.time_ns() - stamps[-1]) < 5_000_000_000
    if cancelled:
        assert (outcome, result.success) == ("canceled", False) and 3 <= len(said) <= 5
    else:
        assert (outcome, result.success) == ("succeeded", True) and said == WORDS


def test_a_conversation_over_dds(node: None) -> None:
    with process(ROBOT, "converse", str(CALLER), "6") as robot:
        said = robot.line()
    frames = 6 * 12.5
    assert said["formats"] == [[24_000, 1, 1920]] and said["frame_ids"] == ["robot_mouth"]
    assert abs(len(said["stamps"]) - frames) <= 8
    assert set(np.diff(said["first_samples"])) == {1920}
    steps = np.diff(said["stamps"])
    # Capture stamps carry the sender's jitter; speech follows them frame by frame.
    assert abs(np.median(steps) - FRAME_NS) < 5_000_000
    stamps = set(said["stamps"])
    assert said["text"], "the robot answers the first question"
    assert all(stamp in stamps for stamp, *_ in said["text"])
    assert all(token not in (0, 3) for _, _, token, _ in said["text"])
    assert "user_started" in said["events"]
    assert 8.0 < 1.0 / np.mean(np.diff(said["holds"])) < 14.0
    assert np.mean(np.diff(said["diagnostics"])) == pytest.approx(1.0, abs=0.1)
    assert said["values"]["conversation/state"] == "active"
    assert int(said["values"]["microphone/chunks"]) >= 200
    for key in ("model/frame time p50", "model/frame time p99", "model/late frames"):
        assert key in said["values"]
    assert "conversation/context used" in said["values"]


def test_a_microphone_that_fills_in_neither_index_nor_stamp_is_heard(node: None) -> None:
    wave = read_wave(CALLER)
    truth = json.loads(CALLER.with_suffix(".json").read_text())[0]
    speech = float32_to_int16(wave.samples[round((truth["start_s"] - 0.3) * wave.rate) :, 0])
    size = wave.rate // 50
    bus = DdsBus("simple_microphone")
    try:
        events: list[str] = []
        bus.subscribe(
            "turn_event",
            "personaplex_ros/msg/TurnEvent",
            RELIABLE,
            lambda event, _: events.append(event.kind),
        )
        microphone = bus.advertise("audio_in", AUDIO_FRAME, RELIABLE)
        time.sleep(1.5)  # for discovery, and until the microphone before has timed out
        begin = time.monotonic()
        for number, first in enumerate(range(0, 4 * wave.rate, size)):
            message = bus.message(AUDIO_FRAME)(
                sample_rate=wave.rate, channels=1, data=speech[first : first + size]
            )
            microphone.publish(message)
            time.sleep(max(0.0, begin + 0.02 * number - time.monotonic()))
            if "user_started" in events:
                return
    finally:
        bus.close()
    pytest.fail(f"the robot heard nobody, only {events}")


def test_a_late_joiner_learns_the_state_at_once(node: None) -> None:
    with process(ROBOT, "latched") as robot:
        assert robot.line() == {"motion_hold": False}
        assert set(robot.line()) == {"user_speaking"}
        assert set(robot.line()) == {"robot_speaking"}


def test_services_answer_a_hand_written_client(node: None) -> None:
    with process(ROBOT, "services") as robot:
        answers = robot.line()
    assert answers["reset"][0] and answers["persona"] == [
        True,
        "began a new conversation as teacher",
    ]
    assert not answers["wrong"][0] and "pirate" in answers["wrong"][1]
    assert not answers["long"][0] and "the model's context has 540" in answers["long"][1]
    assert answers["took"] < 5.0, "20,000 characters are refused before the model works"


def test_parameter_services_set_what_may_be_set(node: None) -> None:
    with process(ROBOT, "parameters") as robot:
        said = robot.line()
    assert [done for done, _ in said["results"]] == [True, False, False, False, False]
    reasons = [reason for _, reason in said["results"]]
    for reason, expected in zip(
        reasons,
        ("", "text_temperature is 9.0", "before configure", "no parameter colour", "NoneType"),
        strict=True,
    ):
        assert expected in reason
    assert said["values"] == [[3, 0.5, 0], [2, 0.0, 1], [0, 0.0, 0]]
    outcome, _, told, peak = say_over_dds()
    assert (outcome, len(told)) == ("succeeded", len(WORDS)), "it speaks with what was set"
    assert peak > 1000


def test_life_cycle_services_pause_and_resume(node: None) -> None:
    with process(ROBOT, "pause") as robot:
        assert robot.line() == {"label": "deactivate", "success": True, "frames": 0}
        resumed = robot.line()
    assert resumed["success"] and resumed["frames"] >= 10


def test_a_publisher_that_vanishes_is_filled_in_for_and_heard_again(node: None) -> None:
    with process(ROBOT, "vanish") as robot:
        said = robot.line()
    assert growth(said, "filled frames") >= 10
    assert growth(said, "source changes") >= 1
    assert growth(said, "chunks") >= 95
    assert said["longest_pause"] < 1.0, "the robot speaks on while nobody is heard"


def test_of_two_publishers_one_is_heard_and_the_other_counted(node: None) -> None:
    with process(ROBOT, "duel") as robot:
        said = robot.line()
    assert growth(said, "second publisher") >= 40
    assert growth(said, "chunks") >= 50


def test_faulty_messages_are_counted_one_by_one(node: None) -> None:
    with process(ROBOT, "faults") as robot:
        said = robot.line()
    assert growth(said, "empty") == 1
    assert growth(said, "bad channels") == 2
    assert growth(said, "bad rate") == 1
    assert growth(said, "oversized") == 1
    assert growth(said, "gaps") == 1 and growth(said, "gap samples") == 1920


def test_one_process_serves_several_robots(monkeypatch: pytest.MonkeyPatch) -> None:
    loopback(monkeypatch)
    node = start_node("--robots", "robot1", "robot2", *parameters(device="cpu", seed=1))
    try:
        assert node.stderr is not None
        lines = [node.stderr.readline() for _ in range(5)]
        with process(ROBOT, "fleet", str(CALLER), "6", "robot1", "robot2") as robots:
            said = robots.line()
        status, seconds, log = end_node(node)
        assert (status, seconds < 5.0) == (0, True), log
    finally:
        node.kill()
    assert [line for line in lines if "robot1.personaplex" in line and "active" in line], lines
    assert [line for line in lines if "robot2.personaplex" in line and "active" in line], lines
    for robot in ("robot1", "robot2"):
        assert said[robot]["frames"] >= 45, "most of 6 s, on whatever machine"
    assert said["robot1"]["text"] and not said["robot2"]["text"]
    assert said["diagnosed"] == [
        [f"{robot}/personaplex: {task}", f"{robot}/personaplex: cpu"]
        for robot in ("robot1", "robot2")
        for task in ("conversation", "echo", "microphone", "model")
    ]


def growth(said: dict, counter: str) -> int:
    key = f"microphone/{counter}"
    return int(said["after"][key]) - int(said["before"][key])


def test_without_autostart_the_node_waits_and_ends_cleanly(monkeypatch: pytest.MonkeyPatch) -> None:
    loopback(monkeypatch)
    node = start_node("--no-autostart", *parameters(device="cpu"))
    assert node.stderr is not None
    assert "waits for ~/change_state" in node.stderr.readline()
    status, seconds, log = end_node(node)
    assert status == 0 and seconds < 5.0, log


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--ros-args", "-p", "text_temperature:=9.0"], "text_temperature is 9.0; it must be"),
        (["--ros-args", "-p", "colour:=red"], "there is no parameter colour"),
        (["--ros-args", "--params-file", "none.yaml"], "none.yaml cannot be read"),
        (["--fast"], "unknown argument '--fast'"),
        (["--robots", "a", "a"], "/a comes twice"),
        (["--robots", "--no-autostart"], "--robots needs namespaces"),
        (["--robots", "1st"], "'/1st' is not a ROS name"),
        (["--robots", "a", "--ros-args", "-r", "__ns:=/b"], "leave __ns out"),
        (["--ros-args", "-p", "checkpoint:=/nowhere"], "no checkpoint folder /nowhere"),
    ],
)
def test_the_node_refuses_what_it_cannot_use(
    arguments: list[str], problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loopback(monkeypatch)
    node = start_node(*arguments)
    _, log = node.communicate(timeout=60)
    assert node.returncode != 0 and problem in log
