"""The node's bus seen by the command line tools of a real ROS 2."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dds_support import loopback, own_domain, wait_until

from personaplex_ros.node.bare.client import call_service
from personaplex_ros.node.dds.bus import DdsBus
from personaplex_ros.node.hosts.bus import LATCHED, SENSOR, Goal
from personaplex_ros.node.requests.say_action import SAY

pytestmark = pytest.mark.skipif(
    shutil.which("ros2") is None, reason="no ros2 command found: source a ROS 2 installation"
)
GRAPH = ("--no-daemon", "--spin-time", "3")


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch) -> Iterator[DdsBus]:
    loopback(monkeypatch)
    monkeypatch.setenv("RMW_IMPLEMENTATION", "rmw_cyclonedds_cpp")
    bus = DdsBus("talk", "/robot")
    yield bus
    bus.close()


def ros2(*arguments: str) -> str:
    done = subprocess.run(
        ["ros2", *arguments], capture_output=True, text=True, timeout=40, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARN" not in done.stderr, done.stderr
    return done.stdout


def test_the_graph_shows_the_node_its_topics_and_type_hashes(bus: DdsBus) -> None:
    bus.advertise("motion_hold", "std_msgs/msg/Bool", LATCHED)
    bus.subscribe("audio_in", "personaplex_ros/msg/AudioFrame", SENSOR, lambda m, s: None)
    bus.serve("~/reset", "std_srvs/srv/Trigger", lambda request, response: response)
    assert "/robot/talk" in ros2("node", "list", *GRAPH).splitlines()
    listed = ros2("topic", "list", "-t", *GRAPH)
    assert "/robot/motion_hold [std_msgs/msg/Bool]" in listed
    assert "/robot/audio_in [personaplex_ros/msg/AudioFrame]" in listed
    info = ros2("topic", "info", "-v", "/robot/motion_hold", *GRAPH)
    for expected in (
        "Node name: talk",
        "Node namespace: /robot",
        bus.message("std_msgs/msg/Bool").type_hash,  # type: ignore[attr-defined]
        "Reliability: RELIABLE",
        "History (Depth): KEEP_LAST (1)",
        "Durability: TRANSIENT_LOCAL",
    ):
        assert expected in info
    node = ros2("node", "info", "/robot/talk", *GRAPH)
    assert "/robot/talk/reset: std_srvs/srv/Trigger" in node
    bus.close()
    assert "/robot/talk" not in ros2("node", "list", *GRAPH)


def test_a_node_that_may_only_use_this_machine_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    own_domain(monkeypatch)
    monkeypatch.setenv("RMW_IMPLEMENTATION", "rmw_cyclonedds_cpp")
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    bus = DdsBus("talk")
    try:
        assert "/talk" in ros2("node", "list", *GRAPH).splitlines()
    finally:
        bus.close()


def test_topic_echo_gets_the_latched_state(bus: DdsBus) -> None:
    out = bus.advertise("motion_hold", "std_msgs/msg/Bool", LATCHED)
    out.publish(bus.message("std_msgs/msg/Bool")(data=True))
    echoed = ros2(
        *("topic", "echo", "--once", "--no-daemon", "--qos-durability", "transient_local"),
        *("--qos-reliability", "reliable", "/robot/motion_hold", "std_msgs/msg/Bool"),
    )
    assert "data: true" in echoed


def test_topic_echo_reads_nested_sequences(bus: DdsBus) -> None:
    out = bus.advertise("/diagnostics", "diagnostic_msgs/msg/DiagnosticArray", LATCHED)
    msg = bus.message("diagnostic_msgs/msg/DiagnosticArray")()
    status = bus.message("diagnostic_msgs/msg/DiagnosticStatus")
    value = bus.message("diagnostic_msgs/msg/KeyValue")
    msg.status = [
        status(level=status.WARN, name="talk", values=[value(key="frames", value="7")]),
        status(name="second"),
    ]
    out.publish(msg)
    echoed = ros2(
        *("topic", "echo", "--once", "--no-daemon", "--qos-durability", "transient_local"),
        *("--qos-reliability", "reliable"),
        *("/diagnostics", "diagnostic_msgs/msg/DiagnosticArray"),
    )
    for expected in ("name: talk", "key: frames", "value: '7'", "name: second"):
        assert expected in echoed


def test_topic_pub_reaches_a_subscription(bus: DdsBus) -> None:
    heard: list[Any] = []
    bus.subscribe("chatter", "std_msgs/msg/String", SENSOR, lambda m, s: heard.append(m.data))
    ros2(
        *("topic", "pub", "--times", "10", "-r", "10", "-w", "1"),
        *("/robot/chatter", "std_msgs/msg/String", "{data: 'olé'}"),
    )
    wait_until(lambda: len(heard) >= 2)  # those before the match are lost
    assert set(heard) == {"olé"}


def test_service_call_gets_its_answer(bus: DdsBus) -> None:
    def handler(request: Any, response: Any) -> Any:
        response.success, response.message = request.data, "done"
        return response

    bus.serve("~/enable", "std_srvs/srv/SetBool", handler)
    answered = ros2(
        *("service", "call", "/robot/talk/enable", "std_srvs/srv/SetBool", "{data: true}")
    )
    assert "success=True, message='done'" in answered


def test_call_service_reaches_a_node_of_rclpy(bus: DdsBus) -> None:
    server = subprocess.Popen(
        ["python3", "-c", RCLPY_SERVER], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        before = time.monotonic()
        request = bus.message("std_srvs/srv/Trigger").Request()
        response = call_service(bus, "/help", "std_srvs/srv/Trigger", request, timeout_s=20.0)
        assert (response.success, response.message) == (True, "from rclpy")
        assert time.monotonic() - before < 20.0
    finally:
        server.kill()
        server.communicate()


def begin_and_say_two_words(bus: DdsBus) -> None:
    """Serve an action that ends after two words of feedback, or when it is cancelled."""
    say: Any = bus.message(SAY)

    def begin(goal: Goal) -> None:
        def work() -> None:
            for word in goal.request.text.split():
                goal.feedback(say.Feedback(word=word))
                time.sleep(0.3)
            if goal.request.text == "wait":
                wait_until(lambda: goal.cancel_requested, 20.0)
                goal.end("canceled", say.Result(spoken="wait"))
            goal.end("succeeded", say.Result(success=True, spoken=goal.request.text))

        threading.Thread(target=work, daemon=True).start()

    bus.serve_action("~/say", SAY, begin)


def test_an_action_is_listed_and_takes_a_goal(bus: DdsBus) -> None:
    begin_and_say_two_words(bus)
    listed = ros2("action", "list", "-t")
    ros2("daemon", "stop")  # the line above starts one, without a choice, that stays for hours
    assert "/robot/talk/say [personaplex_ros/action/Say]" in listed
    said = ros2(
        *("action", "send_goal", "--feedback", "/robot/talk/say", SAY),
        "{text: 'good morning'}",
    )
    assert "word: good" in said and "word: morning" in said
    assert "spoken: good morning" in said and "SUCCEEDED" in said


@pytest.mark.parametrize("cancelled", [False, True])
def test_a_client_of_rclpy_gets_feedback_result_and_its_cancelling(
    bus: DdsBus, tmp_path: Path, cancelled: bool
) -> None:
    begin_and_say_two_words(bus)
    text = "wait" if cancelled else "good morning"
    done = subprocess.run(
        ["python3", "-c", RCLPY_ACTION_CLIENT, text],
        capture_output=True, text=True, timeout=60, check=True, cwd=tmp_path,
    )  # fmt: skip
    expected = "['wait'] 5 wait" if cancelled else "['good', 'morning'] 4 good morning"
    assert expected in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("cancelled", [False, True])
def test_a_server_of_rclpy_takes_our_goal(bus: DdsBus, tmp_path: Path, cancelled: bool) -> None:
    # Elsewhere, since the source tree would hide the installed package, which has the messages.
    server = subprocess.Popen(["python3", "-c", RCLPY_ACTION_SERVER], cwd=tmp_path)
    try:
        client = bus.action_client("/robot/say", SAY)
        wait_until(client.ready, 20.0)
        words: list[str] = []
        ends: list[tuple[str, Any]] = []
        sent = client.send(
            bus.message(SAY).Goal(text="wait" if cancelled else "good"),  # type: ignore
            lambda feedback: words.append(feedback.word),
            lambda outcome, result: ends.append((outcome, result.spoken)),
        )
        if cancelled:
            wait_until(lambda: words)
            sent.cancel()
        wait_until(lambda: ends, 20.0)
        text = "wait" if cancelled else "good"
        assert words == [text]
        assert ends == [("canceled" if cancelled else "succeeded", text)]
    finally:
        server.kill()
        server.wait()


RCLPY_ACTION_CLIENT = """
import sys

import rclpy
from personaplex_ros.action import Say
from rclpy.action import ActionClient

rclpy.init()
node = rclpy.create_node("asker")
client = ActionClient(node, Say, "/robot/talk/say")
assert client.wait_for_server(20.0)
words = []
sending = client.send_goal_async(
    Say.Goal(text=sys.argv[1]), feedback_callback=lambda m: words.append(m.feedback.word)
)
rclpy.spin_until_future_complete(node, sending)
goal = sending.result()
assert goal.accepted
result = goal.get_result_async()
while sys.argv[1] == "wait" and not words:
    rclpy.spin_once(node)
if sys.argv[1] == "wait":
    goal.cancel_goal_async()
rclpy.spin_until_future_complete(node, result)
print(words, result.result().status, result.result().result.spoken)
"""

RCLPY_ACTION_SERVER = """
import time

import rclpy
from personaplex_ros.action import Say
from rclpy.executors import MultiThreadedExecutor

from personaplex_ros.node.ros.bus import RosBus

rclpy.init()
node = rclpy.create_node("robot", namespace="/robot")
goals = []
bus = RosBus(node)
server = bus.serve_action("say", "personaplex_ros/action/Say", goals.append)

def work():
    for goal in list(goals):
        text = goal.request.text
        if goal.cancel_requested or text != "wait":
            goal.feedback(Say.Feedback(word=text)) if text != "wait" else None
            goal.end("canceled" if text == "wait" else "succeeded", Say.Result(spoken=text))
            goals.remove(goal)
        elif not told:
            told.append(goal.feedback(Say.Feedback(word=text)))

told = []
timer = node.create_timer(0.1, work)
executor = MultiThreadedExecutor(4)
executor.add_node(node)
executor.spin()
"""

RCLPY_SERVER = """
import rclpy
from std_srvs.srv import Trigger

def answer(request, response):
    response.success, response.message = True, "from rclpy"
    return response

rclpy.init()
node = rclpy.create_node("helper")
service = node.create_service(Trigger, "/help", answer)
rclpy.spin(node)
"""
