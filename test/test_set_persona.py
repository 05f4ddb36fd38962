"""~/set_persona over DDS: it holds up nothing else, and the parameters tell who the robot is."""

# ruff: noqa: D102

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from dds_support import loopback, wait_until
from node_support import FakeEngine

from personaplex_ros.node.bare.client import call_service
from personaplex_ros.node.bare.parameter_services import PARAMETER_EVENTS, ParameterServices
from personaplex_ros.node.conversation import Conversation
from personaplex_ros.node.dds.bus import DdsBus
from personaplex_ros.node.hosts.bus import RELIABLE
from personaplex_ros.node.lifecycle import Lifecycle
from personaplex_ros.node.parameters.table import Parameters

AT_ONCE_S = 8.0
"""Within this time everything else is answered, on whatever machine; the persona takes 20 s."""
SET_PERSONA = "personaplex_ros/srv/SetPersona"


class Node:
    """A node with a model that prepares a persona when it may, and its client."""

    def __init__(self) -> None:
        self.engine, self.may_prepare = FakeEngine(), threading.Event()
        self.may_prepare.set()
        self.preparing = threading.Event()
        self.engine.before_prepare = self._wait
        self.bus, self.client = DdsBus("personaplex"), DdsBus("tool")
        self.conversation = Conversation(self.bus, Parameters(), lambda parameters: self.engine)  # type: ignore
        self.lifecycle = Lifecycle(self.bus, self.conversation)
        ParameterServices(self.bus, self.conversation)
        self.spoken: list[float] = []
        self.events: list[Any] = []
        audio, event = "personaplex_ros/msg/AudioFrame", "rcl_interfaces/msg/ParameterEvent"
        self.client.subscribe(
            "audio_out", audio, RELIABLE, lambda *_: self.spoken.append(time.monotonic())
        )
        self.client.subscribe(
            "/parameter_events", event, PARAMETER_EVENTS, lambda e, _: self.events.append(e)
        )
        assert self.lifecycle.change("configure") and self.lifecycle.change("activate")
        wait_until(lambda: self.spoken)

    def _wait(self) -> None:
        self.preparing.set()
        assert self.may_prepare.wait(20.0)

    def close(self) -> None:
        self.may_prepare.set()
        self.conversation.shutdown()
        self.bus.close()
        self.client.close()

    def call(self, name: str, type_name: str, timeout_s: float = AT_ONCE_S, **fields: Any) -> Any:
        request = self.client.message(type_name).Request(**fields)  # type: ignore[attr-defined]
        return call_service(self.client, f"/personaplex/{name}", type_name, request, timeout_s)

    def in_the_background(self, **fields: str) -> tuple[threading.Thread, list[Any]]:
        answers: list[Any] = []
        thread = threading.Thread(
            target=lambda: answers.append(self.call("set_persona", SET_PERSONA, 20.0, **fields))
        )
        thread.start()
        return thread, answers

    def told(self) -> list[str]:
        """Return what the parameter server says of who the robot is."""
        names = ["persona", "text_prompt", "voice"]
        answer = self.call("get_parameters", "rcl_interfaces/srv/GetParameters", names=names)
        return [value.string_value for value in answer.values]


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    loopback(monkeypatch)
    node = Node()
    yield node
    node.close()


def test_a_slow_set_persona_holds_up_neither_speech_nor_other_services(node: Node) -> None:
    node.may_prepare.clear()
    node.preparing.clear()
    thread, answers = node.in_the_background(persona="teacher")
    assert node.preparing.wait(10.0)
    count = len(node.spoken)
    assert node.call("reset", "std_srvs/srv/Trigger").success
    assert node.told() == ["receptionist", "", ""]
    assert node.call("get_state", "lifecycle_msgs/srv/GetState").current_state.label == "active"
    wait_until(lambda: len(node.spoken) >= count + 5, AT_ONCE_S)
    change = node.client.message("lifecycle_msgs/msg/Transition")
    for label in ("deactivate", "activate"):
        request = {"transition": change(label=label)}
        assert node.call("change_state", "lifecycle_msgs/srv/ChangeState", **request).success
    assert not answers
    node.may_prepare.set()
    thread.join(10.0)
    assert answers[0].success and answers[0].message == "began a new conversation as teacher"
    count = len(node.spoken)
    wait_until(lambda: len(node.spoken) > count, AT_ONCE_S)


def test_of_several_at_once_each_has_its_turn_and_the_newest_stays(node: Node) -> None:
    node.may_prepare.clear()
    node.preparing.clear()
    first = node.in_the_background(persona="teacher")
    assert node.preparing.wait(10.0)
    second = node.in_the_background(persona="casual")
    node.may_prepare.set()
    for thread, answers in (first, second):
        thread.join(10.0)
        assert answers[0].success
    assert node.engine.sessions[-1].persona.name == "casual" and node.told()[0] == "casual"


def test_the_parameters_tell_who_the_robot_is(node: Node) -> None:
    assert node.call("set_persona", SET_PERSONA, persona="teacher", voice="NATM2").success
    assert node.told() == ["teacher", "", "NATM2"]
    assert node.call("set_persona", SET_PERSONA, text_prompt="You are brief.").success
    assert node.told() == ["teacher", "You are brief.", "NATM2"]
    wait_until(lambda: len(node.events) == 2)
    event = node.events[-1]
    assert event.node == "/personaplex"
    changed = {p.name: p.value.string_value for p in event.changed_parameters}
    assert changed == {"persona": "teacher", "text_prompt": "You are brief.", "voice": "NATM2"}
    assert not node.call("set_persona", SET_PERSONA, persona="pirate").success
    assert node.told() == ["teacher", "You are brief.", "NATM2"]


def test_a_node_stays_who_it_was_made_when_it_is_configured_anew(node: Node) -> None:
    assert node.call(
        "set_persona", SET_PERSONA, persona="teacher", text_prompt="You are brief."
    ).success
    for label in ("deactivate", "cleanup"):
        assert node.lifecycle.change(label)
    answer = node.call("reset", "std_srvs/srv/Trigger")
    assert (answer.success, answer.message) == (False, "the node is not configured")
    assert node.lifecycle.change("configure") and node.lifecycle.change("activate")
    persona = node.engine.sessions[-1].persona
    assert (persona.name, persona.text_prompt) == ("teacher", "You are brief.")
    count = len(node.spoken)
    wait_until(lambda: len(node.spoken) > count, AT_ONCE_S)


def test_what_was_left_out_of_a_prompt_is_in_the_answer(node: Node) -> None:
    node.engine.left_out = "an emoji"
    answer = node.call("set_persona", SET_PERSONA, text_prompt="You are 😀.")
    assert answer.message.endswith("as receptionist, whose text is read without an emoji")
