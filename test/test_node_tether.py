"""The node whose model runs elsewhere: it talks, loses its model, and talks again."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
from moshi_server import MoshiServer
from node_support import FRAME, RATE, MemoryBus, Robot, talks

from personaplex_ros.node.conversation import Conversation
from personaplex_ros.node.loading import load_engine
from personaplex_ros.node.parameters.definition import ParameterError
from personaplex_ros.node.parameters.table import Parameters
from personaplex_ros.node.shared_model import SharedModel

pytestmark = [pytest.mark.alone, pytest.mark.usefixtures("impatient")]

FRAME_S = FRAME / RATE


@contextlib.contextmanager
def tethered(server: MoshiServer, activate: bool = True, **parameters: Any) -> Iterator[Robot]:
    """Run a node that is tied to a server, for the length of the block."""
    values = {
        "engine": server.address, "tether_lost_after_s": 0.8, "echo_cancellation": "off",
        "late_audio_timeout_s": 2.0, **parameters,
    }  # fmt: skip
    bus = MemoryBus()
    conversation = Conversation(bus, Parameters.of(values), load_engine)
    try:
        if activate:
            conversation.configure()
            conversation.activate()
        yield Robot(bus, None, conversation)
    finally:
        conversation.shutdown()


def hear(one: Robot, seconds: float, level: int = 1000) -> None:
    """Let it hear for so long, at the pace of a microphone."""
    for _ in range(round(seconds / FRAME_S)):
        one.send(one.audio(np.full(FRAME, level) * np.sign(np.sin(0.1 * np.arange(FRAME)))))
        time.sleep(FRAME_S)


def losses(one: Robot) -> int:
    """Return how often the log tells of one."""
    return sum("has lost its model" in line for _, line in one.bus.lines)


def held(one: Robot) -> bool:
    return bool(one.bus.topics["motion_hold"][-1].data)


def test_it_talks_and_tells_how_late(server: MoshiServer) -> None:
    with tethered(server) as r:
        hear(r, 1.6)
        assert talks(r)
        said = r.bus.wait_for(lambda: r.bus.topics["text"])
        assert said[0].text.startswith(" word") and said[0].token == -1
        told = r.bus.diagnostics()
        assert told["tether"].values["server"] == server.address
        assert 0 < int(told["tether"].values["end to end delay"].removesuffix(" ms")) < 1500
        assert "context used" not in told["conversation"].values
        r.bus.wait_for_log(f"talks as receptionist with the model at {server.address}")
    query = server.visits[0].query
    assert query["voice_prompt"] == "NATF2" and "Maya" in query["text_prompt"]


@pytest.mark.parametrize(("means", "expected"), [("hold", True), ("release", False)])
def test_motion_is_as_chosen_while_the_model_is_lost_and_it_talks_again(
    server: MoshiServer, means: str, expected: bool
) -> None:
    with tethered(server, tether_lost=means) as r:
        assert talks(r)
        before = losses(r)  # none, unless the machine stood still
        server.stop()
        for _ in range(40):
            hear(r, 0.16)
            if losses(r) > before:
                break
        hear(r, 0.4)
        assert held(r) is expected
        assert r.bus.diagnostics()["tether"].message.startswith("the model is lost: ")
        server.start()
        hear(r, 1.0)
        assert talks(r)
        r.bus.wait_for(lambda: not held(r))
        assert r.bus.diagnostics()["tether"].values["losses"] == str(losses(r))
        assert losses(r) == before + 1


def test_motion_that_is_held_is_let_go_where_a_loss_releases_it(server: MoshiServer) -> None:
    with tethered(server, tether_lost="hold") as r:
        server.stop()
        for _ in range(40):
            hear(r, 0.16)
            if held(r):
                break
        assert held(r)
        r.conversation.set_parameters({"tether_lost": "release"})
        hear(r, 0.4)
        assert not held(r)
        server.start()
        assert talks(r)


def test_a_sentence_is_played_when_the_model_is_lost(server: MoshiServer, tmp_path: Path) -> None:
    file = tmp_path / "patience.wav"
    soundfile.write(file, np.full(8_000, 0.75, np.float32), 16_000)
    with tethered(server, tether_lost_sound=str(file)) as r:
        assert talks(r)
        server.stop()
        hear(r, 2.0)
        loud = [np.abs(np.array(m.data, np.int32)).max() for m in r.bus.topics["audio_out"]]
        assert 5 <= sum(level > 20_000 for level in loud) <= 8  # of 0.5 s, once
        server.start()
        hear(r, 1.0)
        assert talks(r)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"tether_lost_sound": "/none.wav"}, "tether_lost_sound cannot be played: .*none.wav"),
        ({"tether_token_file": "/none"}, "tether_token_file /none cannot be read"),
        ({"voice": "/voices/x.wav"}, "is a file of this machine"),
        ({"engine": "ws://127.0.0.1:1/api/chat#x"}, "it must be ws://HOST:PORT"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_open(
    server: MoshiServer, values: dict[str, str], words: str
) -> None:
    with tethered(server, activate=False, **values) as r:
        with pytest.raises(ValueError, match=words):
            r.conversation.configure()
        assert not server.visits
    with tethered(server) as r:
        assert talks(r)


def test_nobody_on_the_graph_turns_the_microphone_to_another_server(server: MoshiServer) -> None:
    with tethered(server, activate=False) as r:
        for name in ("engine", "tether_token_file", "tether_ca_file"):
            with pytest.raises(
                ParameterError, match=f"{name} can only be set when the node starts"
            ):
                r.conversation.set_parameters({name: "wss://elsewhere"})
        r.conversation.configure()
        r.conversation.activate()
        assert talks(r)


def test_an_address_of_another_kind_is_no_value() -> None:
    with pytest.raises(ParameterError, match="engine is 'http://x'; it must be empty, ws://"):
        Parameters.of({"engine": "http://x"})


def test_what_the_server_cannot_do_is_refused_in_words(server: MoshiServer) -> None:
    with tethered(server, presence_topic="presence") as r:
        r.bus.wait_for_log("nobody will be greeted: ")
        goal = SimpleNamespace(request=SimpleNamespace(text="Hello"), outcome="")
        r.bus.actions["~/say"](goal)
        assert goal.outcome == "rejected"
        r.bus.wait_for_log("has no request to say a given sentence")
        assert talks(r)


def test_another_persona_is_another_conversation_there(server: MoshiServer) -> None:
    with tethered(server) as r:
        assert talks(r)
        answer = r.bus.call("~/set_persona", persona="teacher")
        assert answer.success, answer.message
        assert "teacher" in server.visits[-1].query["text_prompt"]
        assert talks(r)
        assert r.bus.call("~/reset").success
        assert talks(r)


def test_a_persona_that_the_server_refuses_is_not_taken(server: MoshiServer) -> None:
    with tethered(server) as r:
        assert talks(r)
        server.faults.refuse = "'Z' is no voice of this server"

        def relent() -> None:
            server.faults.refuse = ""

        answer = r.bus.call("~/set_persona", voice="Z")
        relent()
        assert not answer.success and "is no voice of this server" in answer.message
        assert r.conversation.parameters.voice == ""
        assert talks(r)
        assert server.visits[-1].query["voice_prompt"].startswith("NATF2")


def test_a_pause_of_the_node_keeps_its_server_for_when_it_goes_on(server: MoshiServer) -> None:
    with tethered(server) as r:
        assert talks(r)
        r.conversation.deactivate()
        time.sleep(1.2)
        r.conversation.activate()
        assert talks(r)
        r.conversation.deactivate()
        r.conversation.cleanup()
        assert server.hung_up(server.visits[-1]) == 1000


def test_robots_of_a_process_have_a_connection_each(server: MoshiServer) -> None:
    parameters = Parameters.of({"engine": server.address})
    model = SharedModel(load_engine)
    sessions = [
        engine.open(engine.prepare(_nobody()))
        for engine in (model.load(parameters), model.load(parameters))
    ]
    assert len(server.visits) == 2
    for session in sessions:
        session.close()
    model.close()


def _nobody() -> Any:
    from personaplex_ros.persona import Persona

    return Persona("nobody")
