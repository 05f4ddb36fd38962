"""Requests by topic: done by what answers the services, and every one is told how it ended."""

# ruff: noqa: D102

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dds_support import loopback, wait_until
from fuzz_support import values
from hypothesis import given
from hypothesis import strategies as st
from node_on_graph_support import NodeOnGraph
from node_support import FakeSession, Robot, robot, talks
from test_say_goals import Speaker, let_speak

from personaplex_ros.node.hosts.bus import RELIABLE
from personaplex_ros.node.requests.topics import WAITING
from personaplex_ros.node.requests.written import LONGEST_ID, LONGEST_REQUEST

STRING = "std_msgs/msg/String"
FINAL = ("succeeded", "canceled", "aborted", "rejected")


def publish(r: Robot, topic: str, data: str = "", **fields: Any) -> None:
    text = json.dumps(fields) if fields else data
    r.bus.callbacks[topic](r.bus.message(STRING)(data=text), "peer")


def states(r: Robot) -> list[dict[str, str]]:
    return [json.loads(message.data) for message in r.bus.topics["request_state"]]


def ended(r: Robot) -> list[dict[str, str]]:
    return [state for state in states(r) if state["state"] in FINAL]


def ends(r: Robot, count: int) -> list[dict[str, str]]:
    """Return the last states of requests, once there are `count`."""
    r.bus.wait_for(lambda: len(ended(r)) >= count)
    return ended(r)


@pytest.fixture
def speaking(monkeypatch: pytest.MonkeyPatch) -> Speaker:
    return let_speak(monkeypatch)


def test_a_sentence_is_said_and_its_request_told_so(speaking: Speaker) -> None:
    with robot() as r:
        publish(r, "say_text", id="7", text="good morning to you")
        r.bus.wait_for(lambda: states(r))
        assert states(r) == [
            {"request": "say_text", "id": "7", "state": "accepted", "message": "", "spoken": ""}
        ]
        r.bus.wait_for(lambda: speaking.saying)
        r.hear(6, level=0)
        (end,) = ends(r, 1)
        assert (end["id"], end["state"]) == ("7", "succeeded")
        assert end["spoken"] == "good morning to you"
        publish(r, "say_text", "plain text")
        r.bus.wait_for(lambda: speaking.saying is not None and speaking.saying.words[0] == "plain")
        r.hear(6, level=0)
        assert ends(r, 2)[1]["spoken"] == "plain text"


def test_a_sentence_can_be_cancelled_and_gives_way_to_the_next(speaking: Speaker) -> None:
    with robot() as r:
        for id in ("a", "b"):
            publish(r, "say_text", id=id, text=" ".join("one two three four".split() * 20))
            r.bus.wait_for(lambda n=id: {"a": 1, "b": 3}[n] <= len(states(r)))
            r.hear(2, level=0)
        publish(r, "say_text", id="b", cancel=True)
        r.hear(4, level=0)
        replaced, cancelled = ends(r, 2)
        assert (replaced["id"], replaced["state"]) == ("a", "aborted")
        assert replaced["message"] == "another sentence took its place"
        assert (cancelled["id"], cancelled["state"]) == ("b", "canceled")
        assert cancelled["spoken"].startswith("one two")
        publish(r, "say_text", id="b", cancel=True)
        assert "no such sentence" in ends(r, 3)[2]["message"]


def test_a_pause_ends_what_is_being_said_by_topic(speaking: Speaker) -> None:
    with robot() as r:
        publish(r, "say_text", id="7", text="one two three four five")
        r.bus.wait_for(lambda: speaking.saying)
        r.conversation.deactivate()
        (end,) = ends(r, 1)
        assert (end["state"], end["message"]) == ("aborted", "the conversation was paused")
        publish(r, "say_text", id="8", text="hello")
        assert ends(r, 2)[1]["message"] == "the node is not active"


def test_topics_and_services_answer_alike() -> None:
    with robot(late_audio_timeout_s=0.1) as r:
        publish(r, "reset_request")
        publish(r, "reset_request", "7")
        by_topic = ends(r, 2)
        assert {(end["id"], end["state"]) for end in by_topic} == {
            ("", "succeeded"),
            ("7", "succeeded"),
        }
        assert by_topic[0]["message"] == r.bus.call("~/reset").message
        publish(r, "set_persona_request", id="8", voice="unknown")
        failed = ends(r, 3)[2]
        answer = r.bus.call("~/set_persona", voice="unknown")
        assert (failed["state"], failed["message"]) == ("aborted", answer.message)
        publish(r, "set_persona_request", "teacher")
        assert ends(r, 4)[3]["message"] == "began a new conversation as teacher"
        publish(r, "set_persona_request", text_prompt="You wait tables.")
        assert ends(r, 5)[4]["state"] == "succeeded"
        assert r.conversation.parameters.text_prompt == "You wait tables."
        assert (r.session.persona.name, r.session.persona.text_prompt) == (
            "teacher", "You wait tables.",
        )  # fmt: skip
        publish(r, "record_request", "true")
        assert ends(r, 6)[5]["message"] == r.bus.call("~/record", data=True).message
        assert talks(r)


def test_consent_by_topic(tmp_path: Path) -> None:
    with robot(record=str(tmp_path), late_audio_timeout_s=0.1) as r:
        r.hear(2)
        publish(r, "record_request", "false")
        assert ends(r, 1)[0]["state"] == "succeeded"
        assert not r.bus.topics["recording"][-1].data
        assert talks(r)


def test_before_it_is_configured_the_node_says_so() -> None:
    with robot(activate=False) as r:
        for topic in ("reset_request", "set_persona_request", "say_text"):
            publish(r, topic)
        told = {end["message"] for end in ends(r, 3)}
        assert told == {"the node is not configured", "the node is not active"}


UNREADABLE = (
    ("say_text", "  ", "no word to say"),
    ("say_text", "{broken", "begins with a brace, but is no JSON object"),
    ("say_text", "{" * 5000, "begins with a brace"),
    ("say_text", '{"a":' * 5000, "begins with a brace"),
    ("say_text", '{"txt": "hello"}', "it has 'txt'; known are cancel, id, text"),
    ("say_text", '{"text": 5}', "text is 5; it must be text in quotes"),
    ("say_text", '{"text": "x", "cancel": 1}', "cancel is 1; it must be true or false"),
    ("say_text", json.dumps({"id": "x" * (LONGEST_ID + 1)}), "its id has more than"),
    ("say_text", "x" * (LONGEST_REQUEST + 1), "characters, more than"),
    ("record_request", "yes", "it is 'yes'; it must be true or false"),
    ("record_request", '{"id": "7"}', "does not say whether to record"),
)


def test_what_cannot_be_read_is_rejected_in_words() -> None:
    with robot() as r:
        for number, (topic, data, told) in enumerate(UNREADABLE):
            publish(r, topic, data)
            end = ends(r, number + 1)[number]
            assert end["state"] == "rejected" and told in end["message"]
            assert told in r.bus.wait_for_log(told)
        assert talks(r)


def test_whatever_comes_is_answered_and_the_robot_talks() -> None:
    with robot(late_audio_timeout_s=0.1) as r:
        texts = st.text() | values().map(lambda value: json.dumps(value, default=str))

        @given(st.sampled_from(("say_text", "set_persona_request", "record_request")), texts)
        def ask(topic: str, text: str) -> None:
            before = len(ended(r))
            publish(r, topic, text)
            ends(r, before + 1)

        FakeSession.say = lambda self, text: Speaker().say("")  # type: ignore[attr-defined]
        try:
            ask()
        finally:
            del FakeSession.say  # type: ignore[attr-defined]
        assert not [text for level, text in r.bus.lines if level == "error"]
        assert all(len(line) < 1000 and line.isprintable() for _, line in r.bus.lines)
        assert talks(r)


def test_more_requests_than_can_wait_are_refused_and_the_others_done() -> None:
    go_on = threading.Event()
    with robot(late_audio_timeout_s=0.1) as r:
        r.engine.before_prepare = lambda: go_on.wait(20.0) and None
        for number in range(WAITING + 3):
            publish(r, "set_persona_request", id=str(number), text_prompt=f"You are {number}.")
            r.bus.wait_for(lambda: states(r))  # the first is being done, and waits no more
        refused = ends(r, 2)
        assert {end["state"] for end in refused} == {"rejected"}
        assert f"{WAITING} requests wait already" in refused[0]["message"]
        assert talks(r), "while they wait"
        go_on.set()
        done = ends(r, WAITING + 3)[2:]
        assert [end["id"] for end in done] == [str(number) for number in range(WAITING + 1)]
        assert {end["state"] for end in done} == {"succeeded"}
        assert r.session.persona.text_prompt == f"You are {WAITING}."


def test_a_request_that_is_sent_again_before_its_end_is_done_once() -> None:
    go_on = threading.Event()
    with robot(late_audio_timeout_s=0.1) as r:
        r.engine.before_prepare = lambda: go_on.wait(20.0) and None
        for _ in range(3):
            publish(r, "set_persona_request", id="7", text_prompt="You wait tables.")
            r.bus.wait_for(lambda: states(r))
        assert [state["state"] for state in states(r)] == ["accepted"] * 3
        go_on.set()
        ends(r, 1)
        assert len(r.session.starts) == 1
        publish(r, "reset_request", id="7")
        assert len(ends(r, 2)) == 2


def test_by_topic_and_by_service_at_once_each_has_its_turn() -> None:
    go_on = threading.Event()
    with robot(late_audio_timeout_s=0.1) as r:
        prepared = threading.Event()
        r.engine.before_prepare = lambda: (prepared.set(), go_on.wait(20.0)) and None
        publish(r, "set_persona_request", text_prompt="first")
        assert prepared.wait(10.0)
        call = threading.Thread(
            target=r.bus.call, args=("~/set_persona",), kwargs={"text_prompt": "second"}
        )
        call.start()
        go_on.set()
        call.join(10.0)
        ends(r, 1)
        assert r.session.persona.text_prompt == r.conversation.parameters.text_prompt == "second"
        assert talks(r)


def test_of_a_paused_node_one_request_after_the_other_begins_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inside, restart = threading.Lock(), FakeSession.restart

    def alone(session: FakeSession, *arguments: Any, **more: Any) -> None:
        assert inside.acquire(blocking=False), "two at once"
        time.sleep(0.05)
        restart(session, *arguments, **more)
        inside.release()

    monkeypatch.setattr(FakeSession, "restart", alone)
    with robot(late_audio_timeout_s=0.1) as r:
        r.conversation.deactivate()
        for _ in range(2):
            publish(r, "reset_request")
            publish(r, "set_persona_request", "teacher")
        assert r.bus.call("~/reset").success
        assert {end["state"] for end in ends(r, 4)} == {"succeeded"}
        r.conversation.activate()
        assert talks(r)


class Peer(NodeOnGraph):
    """The node, and a peer that has std_msgs and nothing else."""

    def listen(self) -> None:
        self.states: list[dict[str, str]] = []
        self.spoken: list[Any] = []
        self.peer.subscribe(
            "request_state", STRING, RELIABLE, lambda m, _: self.states.append(json.loads(m.data))
        )
        self.peer.subscribe(
            "audio_out", "personaplex_ros/msg/AudioFrame", RELIABLE,
            lambda message, _: self.spoken.append(message),
        )  # fmt: skip

    def ask(self, topic: str, data: str) -> dict[str, str]:
        before = len(self.states)
        publisher = self.peer.advertise(topic, STRING, RELIABLE)
        wait_until(publisher.subscribers)
        publisher.publish(self.peer.message(STRING)(data=data))
        wait_until(lambda: [s for s in self.states[before:] if s["state"] in FINAL])
        publisher.close()
        return self.states[-1]


@pytest.fixture
def over_dds(monkeypatch: pytest.MonkeyPatch) -> Iterator[Peer]:
    loopback(monkeypatch)
    peer = Peer()
    yield peer
    peer.close()


def test_over_dds(over_dds: Peer, speaking: Speaker) -> None:
    assert over_dds.ask("say_text", '{"id": "1", "text": "hello there"}')["spoken"] == "hello there"
    assert over_dds.ask("reset_request", "2")["id"] == "2"
    told = over_dds.ask("set_persona_request", "teacher")
    assert told["message"] == "began a new conversation as teacher"
    before = len(over_dds.spoken)
    wait_until(lambda: len(over_dds.spoken) > before + 3)
