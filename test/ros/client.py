"""What the launch tests share: an rclpy client of the node under test."""

# ruff: noqa: D101, D102

from __future__ import annotations

import array
import json
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import rclpy
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from personaplex_ros.action import Say
from personaplex_ros.msg import AudioFrame
from rcl_interfaces.srv import DescribeParameters, GetParameters, SetParameters
from rclpy.action import ActionClient
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
from std_msgs.msg import String

FRAME, RATE = 1920, 24_000
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Client:
    def __init__(self, namespace: str = "") -> None:
        rclpy.init()
        self.node = Node("client", namespace=namespace)
        self.messages: dict[str, list[Any]] = defaultdict(list)
        self._microphone = self.node.create_publisher(AudioFrame, "audio_in", 10)
        self._sent = 0

    def close(self) -> None:
        self.node.destroy_node()
        rclpy.shutdown()

    def listen(self, topic: str, message_class: type, latched: bool = False) -> list[Any]:
        heard = self.messages[topic]
        qos = LATCHED if latched else qos_profile_sensor_data
        self.node.create_subscription(message_class, topic, heard.append, qos)
        return heard

    def until(self, condition: Callable[[], Any], timeout_s: float = 20.0) -> Any:
        deadline = time.monotonic() + timeout_s
        while not (value := condition()):
            assert time.monotonic() < deadline, "did not happen in time"
            rclpy.spin_once(self.node, timeout_sec=0.05)
        return value

    def spin(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            rclpy.spin_once(self.node, timeout_sec=0.02)

    def speak(self, frames: int, level: int = 1000) -> None:
        """Send frames at real speed."""
        for _ in range(frames):
            message = AudioFrame()
            message.header.stamp = self.node.get_clock().now().to_msg()
            message.sample_rate, message.channels = RATE, 1
            message.first_sample = self._sent
            message.data = array.array("h", [level] * FRAME)
            self._sent += FRAME
            self._microphone.publish(message)
            self.spin(FRAME / RATE)

    def call(self, service_class: Any, name: str, **fields: Any) -> Any:
        client = self.node.create_client(service_class, f"personaplex/{name}")
        assert client.wait_for_service(20.0), f"no service {name}"
        request = service_class.Request()
        for field, value in fields.items():
            setattr(request, field, value)
        future = client.call_async(request)
        self.until(future.done, 60.0)
        self.node.destroy_client(client)
        return future.result()

    def say(self, text: str, cancel_after: int = 0) -> tuple[Any, list[str]]:
        """Let the robot say a text; return how it ended and the words; 0: do not cancel.

        It did not begin (None) if the goal was rejected.
        """
        client = ActionClient(self.node, Say, "personaplex/say")
        assert client.wait_for_server(20.0), "no action say"
        words: list[str] = []
        sending = client.send_goal_async(
            Say.Goal(text=text), feedback_callback=lambda m: words.append(m.feedback.word)
        )
        self.until(sending.done)
        if not sending.result().accepted:
            client.destroy()
            return None, words
        result = sending.result().get_result_async()
        if cancel_after:
            self.until(lambda: len(words) >= cancel_after)
            sending.result().cancel_goal_async()
        self.until(result.done, 60.0)
        client.destroy()
        return result.result(), words

    def ask(self, topic: str, data: str) -> dict[str, str]:
        """Publish a request; return its last state."""
        states: list[dict[str, str]] = []
        listener = self.node.create_subscription(
            String, "request_state", lambda m: states.append(json.loads(m.data)), 10
        )
        publisher = self.node.create_publisher(String, topic, 10)
        self.until(lambda: publisher.get_subscription_count() and listener.get_publisher_count())
        publisher.publish(String(data=data))
        self.until(lambda: states and states[-1]["state"] != "accepted", 60.0)
        self.node.destroy_publisher(publisher)
        self.node.destroy_subscription(listener)
        return states[-1]

    def alive(self) -> bool:
        """Tell whether the node serves its state; one that was killed is seen for a while."""
        client = self.node.create_client(GetState, "personaplex/get_state")
        future = client.call_async(GetState.Request())
        self.spin(1.0)
        self.node.destroy_client(client)
        return bool(future.done())

    def state(self) -> str:
        return str(self.call(GetState, "get_state").current_state.label)

    def change(self, label: str = "", number: int = 0) -> bool:
        transition = Transition(id=number, label=label)
        return bool(self.call(ChangeState, "change_state", transition=transition).success)

    def set_parameter(self, name: str, value: Any) -> tuple[bool, str]:
        parameter = Parameter(name, value=value).to_parameter_msg()
        (result,) = self.call(SetParameters, "set_parameters", parameters=[parameter]).results
        return result.successful, result.reason

    def parameter(self, name: str) -> Any:
        (value,) = self.call(GetParameters, "get_parameters", names=[name]).values
        return value

    def descriptor(self, name: str) -> Any:
        (found,) = self.call(DescribeParameters, "describe_parameters", names=[name]).descriptors
        return found
