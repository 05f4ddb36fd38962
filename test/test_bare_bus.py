"""The node's bus without ROS, over each of its middlewares."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from dds_support import wait_until

from personaplex_ros.node.bare.bus import BareBus
from personaplex_ros.node.bare.client import call_service
from personaplex_ros.node.bare.middleware import open_bus
from personaplex_ros.node.hosts.bus import RELIABLE

AUDIO = "personaplex_ros/msg/AudioFrame"
TRIGGER = "std_srvs/srv/Trigger"


@pytest.fixture
def bus(any_bus: BareBus) -> BareBus:
    return any_bus


def test_call_service_says_whether_the_server_is_absent_or_silent(bus: BareBus) -> None:
    request = bus.message(TRIGGER).Request()
    with pytest.raises(TimeoutError, match=r"no server of /robot/nobody"):
        call_service(bus, "nobody", TRIGGER, request, timeout_s=0.2)

    over = threading.Event()

    def handler(request: Any, response: Any) -> Any:
        over.wait()
        return response

    bus.serve("~/silent", TRIGGER, handler)
    with pytest.raises(TimeoutError, match=r"/robot/talk/silent did not answer"):
        call_service(bus, "~/silent", TRIGGER, request, timeout_s=0.5)
    over.set()


def test_a_broken_or_busy_service_holds_up_no_other(
    bus: BareBus, capfd: pytest.CaptureFixture[str]
) -> None:
    request = bus.message(TRIGGER).Request()  # type: ignore[attr-defined]
    over, begun = threading.Event(), threading.Event()

    def broken(request: Any, response: Any) -> Any:
        raise RuntimeError("broken handler")

    def busy(request: Any, response: Any) -> Any:
        begun.set()
        over.wait()
        return response

    bus.serve("~/broken", TRIGGER, broken)
    bus.serve("~/busy", TRIGGER, busy, slow=True)
    bus.client("~/busy", TRIGGER).call(request, lambda response: None)
    assert begun.wait(10.0)
    assert not call_service(bus, "~/broken", TRIGGER, request, timeout_s=5.0).success
    over.set()
    assert "the service /robot/talk/broken failed: RuntimeError" in capfd.readouterr().err


def test_a_node_of_the_same_name_is_counted_until_it_goes(bus: BareBus) -> None:
    others = [open_bus("talk", "/robot"), open_bus("talk", "/robot2")]
    wait_until(lambda: bus.namesakes() == 1 and others[0].namesakes() == 1)
    assert others[1].namesakes() == 0
    for other in others:
        other.close()
    wait_until(lambda: bus.namesakes() == 0)


def test_a_failing_callback_is_logged_and_the_rest_goes_on(
    bus: BareBus, capfd: pytest.CaptureFixture[str]
) -> None:
    ticks = []

    def failing() -> None:
        ticks.append(time.monotonic())
        raise RuntimeError("the callback broke")

    timer = bus.every(0.02, failing)
    wait_until(lambda: len(ticks) >= 3)
    timer.close()
    time.sleep(0.05)
    count = len(ticks)
    time.sleep(0.1)
    assert len(ticks) == count
    line = capfd.readouterr().err.splitlines()[0]
    assert line.startswith("[ERROR] [") and "[robot.talk]: callback of timer failed" in line


@pytest.mark.alone
def test_timers_keep_their_rate(bus: BareBus) -> None:
    ticks: list[float] = []
    timer = bus.every(0.05, lambda: ticks.append(time.monotonic()))
    wait_until(lambda: len(ticks) >= 11)
    timer.close()
    assert ticks[10] - ticks[0] == pytest.approx(0.5, abs=0.08)


@pytest.mark.alone
def test_a_busy_topic_does_not_starve_a_timer(bus: BareBus) -> None:
    ticks: list[float] = []
    bus.subscribe("flood", "std_msgs/msg/Bool", RELIABLE, lambda msg, source: time.sleep(0.005))
    out = bus.advertise("flood", "std_msgs/msg/Bool", RELIABLE)
    bus.every(0.05, lambda: ticks.append(time.monotonic()))
    deadline = time.monotonic() + 1.0
    while time.monotonic() < deadline:
        out.publish(bus.message("std_msgs/msg/Bool")())
        time.sleep(0.0005)
    assert len(ticks) >= 8


def test_wrong_messages_are_refused_by_name(bus: BareBus) -> None:
    out = bus.advertise("audio_out", AUDIO, RELIABLE)
    with pytest.raises(TypeError):
        out.publish(bus.message("std_msgs/msg/Bool")())
    msg = bus.message(AUDIO)()
    msg.data = [40000]
    with pytest.raises(ValueError, match="AudioFrame"):
        out.publish(msg)


def test_closing_twice_or_in_a_callback_is_allowed(bus: BareBus) -> None:
    done = []

    def close() -> None:
        bus.close()
        done.append(True)

    out = bus.advertise("text", "std_msgs/msg/String", RELIABLE)
    subscription = bus.subscribe("text", "std_msgs/msg/String", RELIABLE, lambda m, s: None)
    for _ in range(2):
        subscription.close()
        out.close()
    out.publish(bus.message("std_msgs/msg/String")())
    late = [
        bus.advertise("late", "std_msgs/msg/String", RELIABLE),
        bus.subscribe("late", "std_msgs/msg/String", RELIABLE, lambda m, s: None),
        bus.serve("~/late", TRIGGER, lambda request, response: response),
        bus.client("~/late", TRIGGER),
    ]
    bus.every(0.01, close)
    wait_until(lambda: done)
    bus.close()
    for end in late:
        end.close()
