"""The node over Zenoh, with the SDK of others in another process, and with a peer of ours."""

from __future__ import annotations

import os
import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dds_support import process, wait_until
from node_on_graph_support import NodeOnGraph
from test_say_goals import let_speak
from zenoh_support import router, zenoh_router

from personaplex_ros.node.bare.client import call_service
from personaplex_ros.node.bare.middleware import open_bus
from personaplex_ros.node.hosts.bus import LATCHED, RELIABLE
from personaplex_ros.node.sound.types import AUDIO_FRAME

pytest.importorskip("zenoh", reason="eclipse-zenoh is not installed")

from personaplex_ros.node.zenoh.configuration import session_configuration
from personaplex_ros.node.zenoh.wire import Attachment

PEER = str(Path(__file__).with_name("zenoh_sdk_peer.py"))
BOOL = "std_msgs/msg/Bool"


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Iterator[NodeOnGraph]:
    with router(monkeypatch):
        node = NodeOnGraph()
        yield node
        node.close()


def talks(node: NodeOnGraph) -> bool:
    spoken: list[Any] = []
    heard = node.peer.subscribe("audio_out", AUDIO_FRAME, RELIABLE, lambda m, _: spoken.append(m))
    wait_until(lambda: len(spoken) > 3)
    heard.close()
    return True


def test_others_hear_the_node_and_are_heard(node: NodeOnGraph) -> None:
    pytest.importorskip("zenoh_ros2_sdk", reason="zenoh-ros2-sdk is not installed")
    with process(PEER, "converse") as sdk:
        told = sdk.line()
        sdk.end()
    assert (told["rate"], told["samples"]) == (24_000, 1920)
    heard = [frame for session in node.engine.sessions for frame in session.heard]
    assert any((abs(frame - 1000 / 32768) < 1e-4).mean() > 0.9 for frame in heard)


def test_others_see_the_node_in_the_graph(node: NodeOnGraph) -> None:
    pytest.importorskip("zenoh_ros2_sdk", reason="zenoh-ros2-sdk is not installed")
    with process(PEER, "look") as sdk:
        topics, services, hold = sdk.line()["topics"], sdk.line()["services"], sdk.line()
        sdk.end()
    assert topics["/audio_in"] == topics["/audio_out"] == [AUDIO_FRAME]
    assert topics["/motion_hold"] == [BOOL]
    assert topics["/parameter_events"] == ["rcl_interfaces/msg/ParameterEvent"]
    assert services["/personaplex/get_state"] == ["lifecycle_msgs/srv/GetState"]
    assert services["/personaplex/set_parameters"] == ["rcl_interfaces/srv/SetParameters"]
    sends_goals = services["/personaplex/say/_action/send_goal"]
    assert sends_goals == ["personaplex_ros/action/Say_SendGoal"]
    assert hold["publishers"] == [["/", "personaplex"]]
    assert hold["qos"] == [":1:,1:,:,:,,"]


def test_who_comes_late_gets_the_latched_state(node: NodeOnGraph) -> None:
    pytest.importorskip("zenoh_ros2_sdk", reason="zenoh-ros2-sdk is not installed")
    latched = node.bus.advertise("latched", BOOL, LATCHED)
    for value in (False, True):
        latched.publish(node.bus.message(BOOL)(data=value))
    with process(PEER, "late") as sdk:
        assert sdk.line() == {"heard": [True]}
        sdk.end()
    late: list[bool] = []
    node.peer.subscribe("latched", BOOL, LATCHED, lambda message, _: late.append(message.data))
    wait_until(lambda: late)
    assert late == [True]
    assert talks(node)


def test_others_call_its_services_and_it_talks_on(node: NodeOnGraph) -> None:
    pytest.importorskip("zenoh_ros2_sdk", reason="zenoh-ros2-sdk is not installed")
    with process(PEER, "call") as sdk:
        good, bad = sdk.line(), sdk.line()
        sdk.end()
    assert good["success"]
    assert not bad["success"] and "nobody" in bad["message"]
    assert talks(node)


def test_it_calls_the_services_of_others(node: NodeOnGraph) -> None:
    pytest.importorskip("zenoh_ros2_sdk", reason="zenoh-ros2-sdk is not installed")
    with process(PEER, "serve") as sdk:
        assert sdk.line() == {"serves": True}
        kind = "std_srvs/srv/SetBool"
        request = node.bus.message(kind).Request(data=True)  # type: ignore[attr-defined]
        answer = call_service(node.bus, "pause", kind, request, 10.0)
        sdk.end()
    assert (answer.success, answer.message) == (True, "from afar")


def test_parameters_are_read_set_and_told(node: NodeOnGraph) -> None:
    events: queue.SimpleQueue[Any] = queue.SimpleQueue()
    kind = "rcl_interfaces/msg/ParameterEvent"
    node.peer.subscribe("/parameter_events", kind, RELIABLE, lambda m, _: events.put(m))

    def ask(part: str, **values: Any) -> Any:
        name = "".join(f"_{c.lower()}" if c.isupper() else c for c in part).strip("_")
        kind: Any = node.peer.message(f"rcl_interfaces/srv/{part}")
        request = kind.Request(**values)
        service = f"/personaplex/{name}"
        return call_service(node.peer, service, f"rcl_interfaces/srv/{part}", request, 10.0)

    assert "text_temperature" in ask("ListParameters").result.names
    value = node.peer.message("rcl_interfaces/msg/ParameterValue")(type=3, double_value=0.5)
    parameter = node.peer.message("rcl_interfaces/msg/Parameter")(
        name="text_temperature", value=value
    )
    assert ask("SetParameters", parameters=[parameter]).results[0].successful
    assert ask("GetParameters", names=["text_temperature"]).values[0].double_value == 0.5
    assert ask("GetParameterTypes", names=["text_temperature"]).types[0] == 3
    described = ask("DescribeParameters", names=["text_temperature"]).descriptors[0]
    assert described.name == "text_temperature" and described.description
    value.double_value = -1.0
    refused = ask("SetParametersAtomically", parameters=[parameter]).result
    assert not refused.successful and "text_temperature" in refused.reason
    assert events.get(timeout=10.0).node == "/personaplex"
    assert talks(node)


def test_its_life_cycle_is_led_by_others(node: NodeOnGraph) -> None:
    kind: Any = node.peer.message("lifecycle_msgs/srv/ChangeState")
    request = kind.Request()
    for label in ("deactivate", "activate"):
        request.transition.label = label
        service = ("/personaplex/change_state", "lifecycle_msgs/srv/ChangeState")
        assert call_service(node.peer, *service, request, 10.0).success
    assert node.lifecycle.state == "active"
    assert talks(node)


def test_it_says_what_a_goal_asks_for(node: NodeOnGraph, monkeypatch: pytest.MonkeyPatch) -> None:
    let_speak(monkeypatch)
    say: Any = node.peer.message("personaplex_ros/action/Say")
    client = node.peer.action_client("/personaplex/say", "personaplex_ros/action/Say")
    wait_until(client.ready)
    ends: queue.SimpleQueue[Any] = queue.SimpleQueue()
    client.send(say.Goal(text="hello there"), lambda _: None, lambda *end: ends.put(end))
    outcome, result = ends.get(timeout=10.0)
    assert (outcome, result.spoken) == ("succeeded", "hello there")


def test_ends_that_do_not_fit_are_told_once_on_both_sides(
    node: NodeOnGraph, capfd: pytest.CaptureFixture[str]
) -> None:
    wrong = node.peer.advertise("audio_in", "std_msgs/msg/String", RELIABLE)
    log = ""

    def told() -> bool:
        nonlocal log
        log += capfd.readouterr().err
        return log.count("use one type. Until then nothing of it gets across") >= 2

    wait_until(told)
    assert "/audio_in is published as std_msgs/msg/String, by this node read as pers" in log
    assert not wrong.subscribers()
    assert talks(node)


def test_a_node_that_goes_is_gone_for_the_others(node: NodeOnGraph) -> None:
    other = open_bus("personaplex")
    publisher = other.advertise("hello", BOOL, RELIABLE)
    subscription = node.peer.subscribe("hello", BOOL, RELIABLE, lambda m, _: None)
    wait_until(lambda: node.bus.namesakes() == 1 and subscription.publishers() == 1)
    wait_until(lambda: publisher.subscribers() == 1)
    other.close()
    publisher.publish(other.message(BOOL)())  # of a closed bus: nothing happens
    wait_until(lambda: node.bus.namesakes() == 0 and subscription.publishers() == 0)


def test_humble_knows_no_hashes_and_meets_its_own_only(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with router(monkeypatch):
        later = open_bus("later")
        monkeypatch.setenv("ROS_DISTRO", "humble")
        humble = [open_bus("one"), open_bus("other")]
        ends = [bus.advertise("hello", BOOL, RELIABLE) for bus in (later, humble[0])]
        heard: list[bool] = []
        humble[1].subscribe("hello", BOOL, RELIABLE, lambda message, _: heard.append(message.data))
        wait_until(ends[1].subscribers)
        ends[0].publish(later.message(BOOL)(data=False))
        ends[1].publish(humble[0].message(BOOL)(data=True))
        trigger = "std_srvs/srv/Trigger"
        humble[0].serve("help", trigger, lambda _, response: response)
        request = humble[1].message(trigger).Request()  # type: ignore[attr-defined]
        call_service(humble[1], "help", trigger, request, 10.0)
        assert heard == [True]
        wait_until(lambda: "/hello is read as another version" in capfd.readouterr().err)
        for bus in (later, *humble):
            bus.close()


def test_what_cannot_be_read_is_passed_over_in_few_lines(
    node: NodeOnGraph, capfd: pytest.CaptureFixture[str]
) -> None:
    zenoh: Any = pytest.importorskip("zenoh")
    ends = node.bus.endpoints
    audio = node.bus.message(AUDIO_FRAME)
    key = ends.publisher("/audio_in", audio, RELIABLE)._subject.key(ends.graph.domain)
    good = Attachment(1, 1, bytes(16)).to_bytes()
    persona = "personaplex_ros/srv/SetPersona"
    client = node.bus.client("~/set_persona", persona)._subject.key(ends.graph.domain)
    refused: list[str] = []
    with zenoh.open(session_configuration(os.environ)) as stranger:

        def ask(attachment: bytes | None) -> bool:
            answers = list(stranger.get(client, payload=b"\x00\x01", attachment=attachment))
            refused.extend(answer.err.payload.to_string() for answer in answers)
            return bool(answers)

        wait_until(lambda: ask(None))  # until then the two have not met
        assert ask(b"x") and ask(good)
        for attachment in (None, b"x", good, good) * 25:
            stranger.put(key, b"\x00\x01\x00\x00\xff\xff\xff\xff", attachment=attachment)
    assert "SetPersona_Request cannot be read" in refused[-1]
    assert talks(node)
    log = capfd.readouterr().err
    lines = [line for line in log.splitlines() if "/audio_in: passed over" in line]
    assert 1 <= len(lines) <= 8, log
    assert "AudioFrame cannot be read" in log and "Traceback" not in log


def test_clients_of_a_router_find_each_other_again_when_it_comes_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with router(monkeypatch) as port:
        place = f'["tcp/127.0.0.1:{port}"]'
        monkeypatch.setenv("ZENOH_CONFIG_OVERRIDE", f'mode="client";connect/endpoints={place}')
        node = NodeOnGraph()
        assert talks(node)
        kind = "std_srvs/srv/Trigger"
        request = node.peer.message(kind).Request()  # type: ignore[attr-defined]
        assert call_service(node.peer, "/personaplex/reset", kind, request, 10.0).success
    client = node.peer.client("/personaplex/reset", kind)
    wait_until(lambda: not client.ready())
    with zenoh_router(port):
        wait_until(client.ready, 20.0)
        assert call_service(node.peer, "/personaplex/reset", kind, request, 10.0).success
        assert talks(node)
        node.close()
