"""The node's bus against an independent DDS client in another process."""

from __future__ import annotations

import array
import time
from typing import Any

import numpy as np
import pytest
from dds_support import loopback, peer, wait_until

from personaplex_ros.node.bare.client import call_service
from personaplex_ros.node.dds.bus import DdsBus
from personaplex_ros.node.hosts.bus import LATCHED, RELIABLE, SENSOR
from personaplex_ros.node.hosts.names import parse_ros_arguments

AUDIO = "personaplex_ros/msg/AudioFrame"
TRIGGER = "std_srvs/srv/Trigger"


def test_audio_goes_to_a_plain_dds_client_and_back(bus: DdsBus) -> None:
    received: list[tuple[Any, str]] = []
    bus.subscribe("audio_in", AUDIO, SENSOR, lambda msg, source: received.append((msg, source)))
    out = bus.advertise("audio_out", AUDIO, RELIABLE)
    frames = np.random.default_rng(0).integers(-32767, 32768, (5, 1920), dtype=np.int16)
    with peer("echo_audio", "5") as client:
        client.line()
        wait_until(out.subscribers)
        for k, samples in enumerate(frames):
            msg = bus.message(AUDIO)()
            msg.header.stamp.sec, msg.header.stamp.nanosec = 1_700_000_000, k
            msg.header.frame_id = "mic"
            msg.sample_rate, msg.channels, msg.first_sample = 24000, 1, 2**40 + 1920 * k
            msg.data = array.array("h", samples.tobytes())
            out.publish(msg)
            wait_until(lambda k=k: len(received) > k)
        client.end()
    for k, (msg, _) in enumerate(received):
        np.testing.assert_array_equal(msg.data, -frames[k])
        assert (msg.header.stamp.sec, msg.header.stamp.nanosec) == (1_700_000_000, k)
        assert (msg.header.frame_id, msg.sample_rate, msg.channels) == ("mic", 24000, 1)
        assert msg.first_sample == 2**40 + 1920 * k + 1
    assert len({source for _, source in received}) == 1


def test_turn_events_arrive_field_by_field(bus: DdsBus) -> None:
    out = bus.advertise("turn_event", "personaplex_ros/msg/TurnEvent", RELIABLE)
    cls = bus.message("personaplex_ros/msg/TurnEvent")
    with peer("turn_events", "2") as client:
        client.line()
        for kind in (cls.INTERRUPTION, cls.ROBOT_YIELDED):
            msg = cls()
            msg.header.stamp.sec, msg.header.frame_id, msg.kind = 5, "mic ü", kind
            msg.latency.nanosec, msg.confidence = 240_000_000, 0.5
            msg.state, msg.episode, msg.revises = cls.SUSPECTED, 7, cls.USER_STARTED
            out.publish(msg)
        expected = {"stamp": [5, 0], "frame_id": "mic ü", "latency": [0, 240_000_000]}
        expected |= {"state": "suspected", "episode": 7, "revises": "user_started"}
        assert client.line() == {**expected, "kind": "interruption", "confidence": 0.5}
        assert client.line() == {**expected, "kind": "robot_yielded", "confidence": 0.5}


def test_a_late_joiner_gets_the_latched_state(bus: DdsBus) -> None:
    out = bus.advertise("motion_hold", "std_msgs/msg/Bool", LATCHED)
    for value in (False, True):
        msg = bus.message("std_msgs/msg/Bool")()
        msg.data = value
        out.publish(msg)
    with peer("latched_bool") as client:
        assert client.line() == {"data": True}


def test_a_publisher_that_comes_back_has_another_id_and_leaves_no_message(bus: DdsBus) -> None:
    received: list[tuple[bool, str]] = []
    subscription = bus.subscribe(
        "hold_in", "std_msgs/msg/Bool", RELIABLE, lambda m, who: received.append((m.data, who))
    )
    for number in (1, 2):
        with peer("send_bool") as client:
            client.end()
        wait_until(lambda: not subscription.publishers())
        wait_until(lambda count=number: len(received) >= count)
    time.sleep(0.1)
    assert [data for data, _ in received] == [True, True]
    assert received[0][1] != received[1][1]


def test_a_plain_dds_client_calls_a_service(bus: DdsBus) -> None:
    calls = []

    def handler(request: Any, response: Any) -> Any:
        calls.append(request)
        response.success, response.message = True, f"call {len(calls)}"
        return response

    bus.serve("~/reset", TRIGGER, handler)
    with peer("call") as client:
        for n, seq in ((1, 7), (2, 8)):
            assert client.line() == {
                "guid": 0xFEDCBA9876543210,
                "seq": seq,
                "success": True,
                "message": f"call {n}",
            }


def test_call_service_takes_only_the_reply_to_its_own_request(bus: DdsBus) -> None:
    with peer("serve") as server:
        server.line()
        request = bus.message(TRIGGER).Request()
        response = call_service(bus, "peer/help", TRIGGER, request, timeout_s=5.0)
        server.end()
    assert (response.success, response.message) == (True, "yours")


def test_graph_tools_see_the_node_and_see_it_go_at_once(bus: DdsBus) -> None:
    bus.advertise("text", "std_msgs/msg/String", RELIABLE)
    gone = bus.advertise("gone", "std_msgs/msg/String", RELIABLE)
    bus.subscribe("audio_in", AUDIO, SENSOR, lambda msg, source: None)
    bus.serve("~/reset", TRIGGER, lambda request, response: response)
    gone.close()
    with peer("graph") as client:
        seen = client.line()
        before = time.monotonic()
        bus.close()
        assert client.line() == {"nodes_left": 0}
        assert client.line() == {"gone": True}
        assert time.monotonic() - before < 5.0  # one that is killed is missed after 10 s
    assert (seen["namespace"], seen["name"], seen["enclave"]) == ("/robot", "talk", "enclave=/;")
    readers = {(e["topic"], e["type"]) for e in seen["readers"]}
    writers = {(e["topic"], e["type"]) for e in seen["writers"]}
    assert readers == {
        ("rt/robot/audio_in", "personaplex_ros::msg::dds_::AudioFrame_"),
        ("rq/robot/talk/resetRequest", "std_srvs::srv::dds_::Trigger_Request_"),
    }
    assert writers == {
        ("rt/robot/text", "std_msgs::msg::dds_::String_"),
        ("rr/robot/talk/resetReply", "std_srvs::srv::dds_::Trigger_Response_"),
    }
    text = next(e for e in seen["writers"] if e["topic"] == "rt/robot/text")
    # The hash that ROS 2's own documentation shows for std_msgs/msg/String.
    assert text["data"] == (
        "typehash=RIHS01_df668c740482bbd48fb39d76a70dfd4bd59db1288021743503259e948f6b1a18;"
    )


def test_remapping_and_log_level_apply(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    loopback(monkeypatch)
    line = "--ros-args -r __ns:=/robot -r text:=motion_hold --log-level warn"
    bus = DdsBus("talk", arguments=parse_ros_arguments(line.split()))
    try:
        out = bus.advertise("text", "std_msgs/msg/Bool", LATCHED)
        out.publish(bus.message("std_msgs/msg/Bool")(data=True))
        with peer("latched_bool") as client:
            assert client.line() == {"data": True}
        bus.log("info", "quiet")
        bus.log("warn", "loud")
    finally:
        bus.close()
    errors = capfd.readouterr().err
    assert "quiet" not in errors and "[robot.talk]: loud" in errors
