"""The demo: a node and a caller in two processes, and what is left of their conversation."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from listening_support import NANO, constant_head, with_head

from personaplex_ros.cli import main
from personaplex_ros.demo import choose_graph
from personaplex_ros.demo.recorder import Heard, robot_channel
from personaplex_ros.node.dds.bus import DdsBus
from personaplex_ros.node.hosts.bus import RELIABLE
from personaplex_ros.recording import read_lines
from personaplex_ros.recording.reading import read_folder
from personaplex_ros.resources import share_directory
from personaplex_ros.timeline import state_spans

pytestmark = pytest.mark.alone

CALLER = share_directory() / "config" / "demo" / "caller.wav"


@pytest.mark.parametrize(
    "middleware", ["rmw_cyclonedds_cpp", pytest.param("rmw_zenoh_cpp", marks=pytest.mark.long)]
)
def test_a_conversation_leaves_its_record(
    tmp_path: Path,
    robots_graph: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    middleware: str,
) -> None:
    monkeypatch.setenv("RMW_IMPLEMENTATION", middleware)
    samples, rate = soundfile.read(CALLER, dtype="int16")
    caller = tmp_path / "caller.wav"
    soundfile.write(caller, samples[: 10 * rate], rate)
    out = tmp_path / "demo"
    nano = with_head(NANO, tmp_path / "nano", constant_head(256, ["floor", "room"], output=2))
    words = ["demo", "--checkpoint", str(nano), "--user-transcript"]
    assert main([*words, "--input-wav", str(caller), "--output", str(out)]) == 0
    assert robots_graph == [], "a robot of this domain heard the demo"

    wave, wave_rate = soundfile.read(out / "conversation.wav", dtype="int16")
    assert wave_rate == rate
    assert np.array_equal(wave[:, 0], samples[: 10 * rate])
    robot = wave[:, 1].astype(float) / 32768
    assert 20 * np.log10(np.sqrt((robot**2).mean())) > -45

    lines = list(read_lines(out / "events.jsonl"))
    events = [line for line in lines if line["type"] == "turn_event"]
    sure = [event for event in events if event["state"] == "confirmed" and not event["revises"]]
    starts = [event["t"] for event in sure if event["kind"] == "user_started"]
    # A question, a backchannel while the robot answers, the next question.
    assert starts == pytest.approx([1.0, 4.9, 7.5], abs=0.2)
    assert all(event["decided"] >= event["t"] for event in events)
    drawn = read_folder(out)
    assert len(drawn.words) > 5 and drawn.duration_s == 10.0
    asked = [line for line in lines if line["type"] == "user_utterance"]
    assert asked[0]["t"] == pytest.approx(starts[0], abs=0.4)
    assert set(asked[0]["text"].split()) == {"room"} and drawn.heard[0].text == asked[0]["text"]
    assert "person: room" in (out / "transcript.txt").read_text()
    shown = capsys.readouterr().out
    assert "robot: " in shown and "caller speaks" in shown and "caller: room" in shown
    for name in ("transcript.txt", "timeline.png", "timeline.html"):
        assert (out / name).stat().st_size > 0


def test_a_demo_reaches_a_robot_only_where_it_is_asked_to(robots_graph: list[str]) -> None:
    domain = int(os.environ["ROS_DOMAIN_ID"])
    velocity = "geometry_msgs/msg/TwistStamped"
    environment = dict(os.environ)
    for asked in (None, domain):
        os.environ.update(environment)
        choose_graph(asked)
        bus = DdsBus("simulation")
        try:
            topic = bus.advertise("cmd_vel", velocity, RELIABLE)
            deadline = time.monotonic() + (1.0 if asked is None else 10.0)
            while not robots_graph and time.monotonic() < deadline:
                topic.publish(bus.message(velocity)())
                time.sleep(0.02)
        finally:
            bus.close()
        assert bool(robots_graph) is (asked is not None)


@pytest.mark.parametrize("domain", ["-1", "233"])
def test_a_domain_that_cannot_be_is_refused(
    domain: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--domain", domain]) == 2
    assert f"--domain is {domain}; it must be from 0 to 232" in capsys.readouterr().err


def test_speech_is_put_where_it_was_to_be_heard() -> None:
    heard = Heard(speech=[(-0.5, np.ones(8, np.float32)), (1.0, np.full(4, 2, np.float32)),
                          (2.75, np.full(4, 3, np.float32))], rate=8)  # fmt: skip
    robot = robot_channel(heard, 24, 8)
    assert robot.tolist() == [1] * 4 + [0] * 4 + [2] * 4 + [0] * 10 + [3] * 2


def test_a_repeated_state_becomes_spans() -> None:
    samples = [(0.0, False), (0.1, True), (0.2, True), (0.3, False), (0.9, True)]
    assert state_spans(samples, 1.0) == ((0.1, 0.3), (0.9, 1.0))
    assert state_spans([], 1.0) == ()
