"""Peers on another vendor's DDS: no call reaches their servers, none of theirs ours, topics both.

Without Fast DDS on the machine one of our own nodes passes for one of its.
"""

# ruff: noqa: D102

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dds_support import loopback, own_domain, wait_until
from node_on_graph_support import NodeOnGraph
from node_support import FakeEngine, robot, talks
from test_say_goals import let_speak

from personaplex_ros.behaviours import Speech, by_topic
from personaplex_ros.node.bare.client import call_service
from personaplex_ros.node.conversation import Conversation
from personaplex_ros.node.dds import mismatches, service
from personaplex_ros.node.dds.bus import DdsBus
from personaplex_ros.node.hosts import vendors
from personaplex_ros.node.hosts.bus import RELIABLE
from personaplex_ros.node.parameters.table import Parameters
from personaplex_ros.node.requests.say_action import SAY
from personaplex_ros.node.sound.types import AUDIO_FRAME
from personaplex_ros.node.state_topics import TurnState

FAST = 0x010F
STRING, TRIGGER = "std_msgs/msg/String", "std_srvs/srv/Trigger"
REFUSED = (
    "/personaplex/reset is served by Fast DDS and cannot be called from Cyclone DDS: services and "
    "actions do not cross between the two, and a request may crash the server; publish on the "
    "topic reset_request in its place, or run both on one (RMW_IMPLEMENTATION)"
)


@pytest.mark.parametrize(
    ("guid", "name"),
    [
        ("010f78fd", "Fast DDS"),
        ("0110d02f", "Cyclone DDS"),
        ("0101e39e", "RTI Connext"),
        ("0142e39e", "the DDS of vendor 0x0142"),
        ("44530000", "a DDS that does not tell its vendor"),
    ],
)
def test_a_guid_tells_the_vendor(guid: str, name: str) -> None:
    assert vendors.vendor_name(vendors.vendor_of(bytes.fromhex(guid))) == name


def test_a_service_is_kept_from_whom_it_could_harm() -> None:
    cyclone, fast = map(vendors.vendor_of_rmw, ("rmw_cyclonedds_cpp", "rmw_fastrtps_cpp"))
    assert vendors.services_cross(cyclone, cyclone) and vendors.services_cross(fast, fast)
    assert not vendors.services_cross(cyclone, fast) and not vendors.services_cross(fast, cyclone)
    assert not vendors.services_cross(cyclone, None), "nothing tells that it would be understood"


class Pair(NodeOnGraph):
    """The node, and a peer; either may pass for one on Fast DDS."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        loopback(monkeypatch)
        self._monkeypatch = monkeypatch
        super().__init__()

    def let_seem(self, bus: DdsBus, vendor: int | None) -> None:
        own, known = bus._participant.entity.guid.bytes[:12], service.vendor_of

        def vendor_of(guid: bytes) -> int | None:
            return vendor if guid[:12] == own else known(guid)

        self._monkeypatch.setattr(service, "vendor_of", vendor_of)
        self._monkeypatch.setattr(mismatches, "vendor_of", vendor_of)

    def talks(self) -> None:
        spoken: list[Any] = []
        frame = "personaplex_ros/msg/AudioFrame"
        self.peer.subscribe("audio_out", frame, RELIABLE, lambda message, _: spoken.append(1))
        wait_until(lambda: len(spoken) > 3)


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    pair = Pair(monkeypatch)
    yield pair
    pair.close()


def test_a_server_on_another_vendor_is_not_called_and_the_words_say_why(pair: Pair) -> None:
    pair.let_seem(pair.bus, FAST)
    request = pair.peer.message(TRIGGER).Request()  # type: ignore[attr-defined]
    with pytest.raises(RuntimeError) as refused:
        call_service(pair.peer, "/personaplex/reset", TRIGGER, request, 10.0)
    assert str(refused.value) == REFUSED
    client = pair.peer.client("/personaplex/get_state", "lifecycle_msgs/srv/GetState")
    wait_until(client.obstacle)
    assert not client.ready()
    assert client.obstacle().endswith("the server; run both on one (RMW_IMPLEMENTATION)")
    with pytest.raises(RuntimeError, match="served by Fast DDS"):
        client.call(pair.peer.message("lifecycle_msgs/srv/GetState").Request(), print)  # type: ignore
    pair.talks()


def test_a_vendor_that_does_not_tell_is_called_if_it_marks_its_services_as_we_do(
    pair: Pair,
) -> None:
    pair.let_seem(pair.bus, None)
    request = pair.peer.message(TRIGGER).Request()  # type: ignore[attr-defined]
    assert call_service(pair.peer, "/personaplex/reset", TRIGGER, request, 10.0).success


def test_a_client_on_another_vendor_is_not_served_and_the_log_says_so_once(
    pair: Pair, capfd: pytest.CaptureFixture[str]
) -> None:
    pair.let_seem(pair.peer, FAST)
    clients = [pair.peer.client("/personaplex/reset", TRIGGER) for _ in range(2)]
    wait_until(lambda: all(client.ready() for client in clients))
    answers: list[Any] = []
    request = pair.peer.message(TRIGGER).Request()  # type: ignore[attr-defined]
    log = ""

    def logged() -> bool:
        nonlocal log
        log += capfd.readouterr().err
        return "/personaplex/reset has a client over Fast DDS" in log

    for client in clients:
        client.call(request, answers.append)
    wait_until(logged)
    assert "publish on the topic reset_request in its place" in log
    states: list[dict[str, str]] = []
    pair.peer.subscribe(
        "request_state", STRING, RELIABLE, lambda m, _: states.append(json.loads(m.data))
    )
    publisher = pair.peer.advertise("reset_request", STRING, RELIABLE)
    wait_until(publisher.subscribers)
    publisher.publish(pair.peer.message(STRING)())
    wait_until(lambda: [state for state in states if state["state"] == "succeeded"])
    logged()
    assert not answers and log.count("has a client over") == 1
    pair.talks()


@pytest.mark.parametrize("end", ["succeeded", "cancelled"])
def test_a_behaviour_speaks_by_topic_where_no_action_gets_across(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    voice = let_speak(monkeypatch)
    pair.let_seem(pair.bus, FAST)
    speech = Speech(pair.peer)
    wait_until(speech._client.obstacle)
    spoken = speech.say("good morning" if end == "succeeded" else "good morning " * 200)
    assert spoken.success is None
    wait_until(lambda: voice.saying is not None and voice.saying.spoken > 1)
    if end == "cancelled":
        spoken.cancel()
    wait_until(lambda: spoken.success is not None)
    assert spoken.words[:2] == ["good", "morning"]
    assert (spoken.success, spoken.message) == (
        (True, "") if end == "succeeded" else (False, "it was cancelled")
    )
    spoken = speech.say(" ")
    wait_until(lambda: spoken.success is False)
    assert spoken.message == "there is no word to say"
    pair.talks()


def test_a_behaviour_gives_up_when_nobody_answers_by_topic(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(by_topic, "GIVE_UP_S", 0.1)
    pair.let_seem(pair.bus, FAST)
    pair.bus.serve_action("~/speak", SAY, lambda goal: None)
    speech = Speech(pair.peer, "personaplex/speak")
    wait_until(speech._client.obstacle)
    pair.conversation.shutdown()
    spoken = speech.say("good morning")
    wait_until(lambda: spoken.success is False)
    assert spoken.message == "no answer on request_state: is the node there?"


def test_pause_services_on_another_vendor_are_told_and_not_called() -> None:
    names = {"nav2_pause_service": "/pause", "nav2_resume_service": "/resume"}
    with robot(**names) as r:
        for client in r.bus.clients.values():
            client.available, client.foreign = True, "/pause is served by Fast DDS"
        r.conversation._state_topics.set(TurnState(user_speaking=True, hold=True))
        assert "/pause is served by Fast DDS" in r.bus.wait_for_log("motion_hold by")
        assert "/pause is served by Fast DDS" in r.bus.diagnostics()["motion"].message
        assert not any(client.requests for client in r.bus.clients.values())
        assert talks(r)


class FastDds:
    """A participant of Fast DDS itself, told by lines what to do (`fastdds_peer.cpp`)."""

    def __init__(self, binary: Path) -> None:
        self._child = subprocess.Popen(
            [binary, os.environ["ROS_DOMAIN_ID"]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            self.lines.put(line.strip())

    def do(self, *words: str) -> None:
        assert self._child.stdin is not None
        print(*words, file=self._child.stdin, flush=True)

    def matched(self, topic: str) -> bool:
        self.do("matched", topic)
        while not (line := self.lines.get(timeout=10.0)).startswith("matched"):
            pass
        return line != "matched 0"

    def close(self) -> None:
        self._child.kill()
        self._child.communicate()


@pytest.fixture
def fast(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FastDds]:
    binary, source = tmp_path / "peer", Path(__file__).with_name("fastdds_peer.cpp")
    if not shutil.which("g++"):
        pytest.skip("no g++ found")
    built = subprocess.run(
        ["g++", "-std=c++17", "-o", binary, source, "-lfastrtps", "-lfastcdr", "-lpthread"],
        capture_output=True, text=True,
    )  # fmt: skip
    if built.returncode:
        pytest.skip(f"no Fast DDS found, apt install libfastrtps-dev: {built.stderr[:200]}")
    own_domain(monkeypatch)
    monkeypatch.setenv(
        "CYCLONEDDS_URI",
        '<CycloneDDS><Domain><General><Interfaces><NetworkInterface name="lo" multicast="true"/>'
        "</Interfaces></General></Domain></CycloneDDS>",
    )
    peer = FastDds(binary)
    yield peer
    peer.close()


@pytest.mark.long
def test_fast_dds_itself(fast: FastDds, monkeypatch: pytest.MonkeyPatch) -> None:
    let_speak(monkeypatch)
    bus = DdsBus("personaplex")
    values = {"late_audio_timeout_s": 0.1, "echo_cancellation": "off"}
    engine = FakeEngine()
    conversation = Conversation(bus, Parameters.of(values), lambda parameters: engine)  # type: ignore
    conversation.configure()
    conversation.activate()
    try:
        dds = "std_msgs::msg::dds_::String_"
        fast.do("reader", "rt/request_state", dds)
        fast.do("writer", "rt/say_text", dds)
        wait_until(lambda: fast.matched("rt/say_text") and fast.matched("rt/request_state"))
        text = bus.message(STRING)(data='{"id": "7", "text": "good morning"}')  # type: ignore
        fast.do("write", "rt/say_text", text.serialize().hex())
        told: list[dict[str, str]] = []

        def succeeded() -> bool:
            line = fast.lines.get(timeout=10.0).split()
            if line[0] == "got":
                message: Any = bus.message(STRING)
                told.append(json.loads(message.deserialize(bytes.fromhex(line[2])).data))
            return bool(told) and told[-1]["state"] == "succeeded"

        wait_until(succeeded)
        assert [state["state"] for state in told] == ["accepted", "succeeded"]
        assert told[1]["spoken"] == "good morning"

        frame: Any = bus.message(AUDIO_FRAME)(sample_rate=24_000, channels=1)
        frame.data = np.full(1920, 1000, np.int16)
        for does, topic in (("writer", "rt/audio_in"), ("reader", "rt/audio_out")):
            fast.do(does, topic, "personaplex_ros::msg::dds_::AudioFrame_")
        fast.do("reader", "rt/motion_hold", "std_msgs::msg::dds_::Bool_")
        wait_until(lambda: fast.matched("rt/audio_in"))
        fast.do("write", "rt/audio_in", frame.serialize().hex())
        wait_until(lambda: any(heard.any() for heard in engine.sessions[-1].heard))
        awaited = {"rt/audio_out", "rt/motion_hold"}
        while awaited:
            awaited.discard(fast.lines.get(timeout=10.0).split()[1])

        fast.do("reader", "rq/other/resetRequest", "std_srvs::srv::dds_::Trigger_Request_")
        fast.do("writer", "rr/other/resetReply", "std_srvs::srv::dds_::Trigger_Response_")
        client = bus.client("/other/reset", TRIGGER)
        wait_until(client.obstacle)
        assert "/other/reset is served by Fast DDS" in client.obstacle()
        with pytest.raises(RuntimeError, match="served by Fast DDS"):
            client.call(bus.message(TRIGGER).Request(), print)  # type: ignore[attr-defined]
        time.sleep(0.5)
        lines = [fast.lines.get() for _ in range(fast.lines.qsize())]
        assert lines and not any("rq/other" in line for line in lines), "the server gets nothing"
    finally:
        conversation.shutdown()
        bus.close()
