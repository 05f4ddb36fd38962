"""The rclpy host calls no server on another vendor's DDS; a node of ours passes for one."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from dds_support import loopback, wait_until

if importlib.util.find_spec("rclpy") is None:
    pytest.skip("rclpy is not found: source a ROS 2 installation", allow_module_level=True)

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.utilities import get_rmw_implementation_identifier

from personaplex_ros.node.dds.bus import DdsBus
from personaplex_ros.node.ros import servers
from personaplex_ros.node.ros.bus import RosBus
from personaplex_ros.node.ros.servers import Servers

if get_rmw_implementation_identifier() != "rmw_cyclonedds_cpp":
    pytest.skip("needs RMW_IMPLEMENTATION=rmw_cyclonedds_cpp", allow_module_level=True)

TRIGGER = "std_srvs/srv/Trigger"


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Spin a node of rclpy for the length of the test."""
    loopback(monkeypatch)
    rclpy.init()
    node, executor = rclpy.create_node("tree"), SingleThreadedExecutor()
    executor.add_node(node)
    thread = threading.Thread(target=executor.spin)
    thread.start()
    yield node
    executor.shutdown()
    rclpy.shutdown()
    thread.join()


def test_a_server_on_another_vendor_is_not_called(
    node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bus, peer = RosBus(node), DdsBus("personaplex")
    try:
        served, answers = [], []
        peer.serve("~/reset", TRIGGER, lambda request, response: served.append(1) or response)
        peer.serve_action("~/say", "personaplex_ros/action/Say", lambda goal: None)
        client = bus.client("personaplex/reset", TRIGGER)
        request = bus.message(TRIGGER).Request()  # type: ignore[attr-defined]
        wait_until(client.ready)
        client.call(request, answers.append)
        wait_until(lambda: answers)
        say = Servers(node, "personaplex/say", "/_action/send_goal")
        assert not say.obstacle()

        monkeypatch.setattr(servers, "vendor_of", lambda guid: 0x010F)
        assert not client.ready()
        with pytest.raises(RuntimeError) as refused:
            client.call(request, answers.append)
        assert str(refused.value) == client.obstacle()
        assert client.obstacle().startswith(
            "/personaplex/reset is served by Fast DDS and cannot be called from Cyclone DDS"
        )
        assert "publish on the topic reset_request in its place" in client.obstacle()
        wait_until(lambda: "publish on the topic say_text in its place" in say.obstacle())
        assert len(served) == 1
    finally:
        peer.close()
