"""The topic user_transcript: what the person says, while they say it, where it is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from listening_support import NANO, constant_head, linked, with_head
from node_support import FRAME, MemoryBus, Robot, robot, stamps, talks
from numpy.typing import NDArray
from test_node_giving_way import CALLER, say_to

from personaplex_ros.node.conversation import Conversation
from personaplex_ros.node.hosts.bus import RELIABLE
from personaplex_ros.node.hosts.messages import time_ns
from personaplex_ros.node.loading import load_engine
from personaplex_ros.node.parameters.table import Parameters
from personaplex_ros.recording import Archive, read_lines

ASKED = dict(zip((16, 22, 25, 29, 31, 33, 38, 43),
                 "hello on which floor is the meeting room".split(), strict=True))  # fmt: skip
FRAMES = 62  # the caller's first question, and silence


def question() -> NDArray[np.float32]:
    """Return the caller's first question as frames [FRAMES, frame_size]."""
    return CALLER[: FRAMES * FRAME].reshape(FRAMES, FRAME)


def ask(r: Robot) -> None:
    """Let the robot hear the question, and the model its words."""
    r.session.hears = lambda step: ASKED.get(step, "")
    say_to(r, question())


def test_what_the_person_says_is_told_word_by_word_and_when_it_is_over(tmp_path: Path) -> None:
    with robot(user_transcript=True, record=str(tmp_path)) as r:
        ask(r)
        told = r.bus.topics["user_transcript"]
        assert talks(r)
    assert r.bus.qos["user_transcript"] == RELIABLE
    words = list(ASKED.values())
    assert [(m.text, m.final) for m in told] == [
        *((" ".join(words[: k + 1]), False) for k in range(len(words))),
        (" ".join(words), True),
    ]
    begun_ns = next(
        time_ns(e.header.stamp) for e in r.bus.topics["turn_event"] if e.kind == "user_started"
    )
    assert set(stamps(told)) == {begun_ns}
    ends = [time_ns(message.end) for message in told]
    assert ends == sorted(ends) and ends[-1] == ends[-2] > begun_ns
    (recording,) = Archive(tmp_path).recordings()
    lines = list(read_lines(recording / "events.jsonl"))
    (line,) = (line for line in lines if line["type"] == "user_utterance")
    assert line["text"] == " ".join(words)


def test_what_is_being_said_is_told_when_the_conversation_is_paused() -> None:
    with robot(user_transcript=True) as r:
        r.session.hears = lambda step: ASKED.get(step, "")
        say_to(r, question()[:30])
        r.conversation.deactivate()
        last = r.bus.topics["user_transcript"][-1]
        assert (last.text, last.final) == ("hello on which floor", True)


def test_nobody_is_written_down_who_did_not_ask_for_it(tmp_path: Path) -> None:
    with robot(record=str(tmp_path)) as r:
        ask(r)
        assert talks(r)
        assert "user_transcript" not in r.bus.open_topics
    assert not r.bus.topics["user_transcript"]
    (recording,) = Archive(tmp_path).recordings()
    assert "person:" not in (recording / "transcript.txt").read_text()


def configured(checkpoint: Path, **parameters: Any) -> Conversation:
    """Return a node with a model that is configured."""
    values = {"checkpoint": str(checkpoint), "device": "cpu", "seed": 1, **parameters}
    conversation = Conversation(MemoryBus(), Parameters.of(values), load_engine)
    conversation.configure()
    return conversation


def test_a_checkpoint_without_a_listening_head_is_refused_in_words(tmp_path: Path) -> None:
    folder = linked(NANO, tmp_path / "nano")
    with pytest.raises(FileNotFoundError) as raised:
        configured(folder, user_transcript=True)
    told = str(raised.value)
    assert str(folder) in told and "listening.safetensors" in told
    assert "leave user_transcript off" in told
    configured(folder).shutdown()


def test_a_model_elsewhere_tells_no_words() -> None:
    with pytest.raises(ValueError, match="user_transcript cannot be had with a model elsewhere"):
        load_engine(Parameters.of({"engine": "ws://host:1", "user_transcript": True}))


def test_a_head_beside_nano_is_heard_while_the_person_speaks(tmp_path: Path) -> None:
    head = constant_head(256, ["floor", "room"], output=2)
    folder = with_head(NANO, tmp_path / "nano", head)
    conversation = configured(folder, user_transcript=True, echo_cancellation="off")
    bus = conversation._bus
    assert isinstance(bus, MemoryBus)
    try:
        conversation.activate()
        r = Robot(bus, None, conversation)  # type: ignore[arg-type]
        say_to(r, question())
        told = bus.topics["user_transcript"]
        assert bus.topics["text"], "and it is answered"
    finally:
        conversation.shutdown()
    assert {word for message in told for word in message.text.split()} == {"room"}
    assert not told[0].final
