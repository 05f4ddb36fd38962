"""The node tied to `personaplex serve` with the bundled model: a caller's question is answered."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

import numpy as np
import pytest
from node_support import FRAME, RATE, MemoryBus, Robot
from tcp_relay import Relay
from test_server_talk import CALLER, QUESTION_S, serving

from personaplex_ros.audio import read_wave, resample, to_mono
from personaplex_ros.node.conversation import Conversation
from personaplex_ros.node.loading import load_engine
from personaplex_ros.node.parameters.table import Parameters

pytestmark = pytest.mark.alone


def test_a_question_is_answered_and_the_conversation_goes_on_after_a_break() -> None:
    wave = read_wave(CALLER)
    speech = resample(to_mono(wave.samples), wave.rate, RATE) * 32767
    with serving("--sessions", "1") as (url, server):
        relay = Relay(urlsplit(url).port or 0)
        bus = MemoryBus()
        engine = f"ws://127.0.0.1:{relay.port}"
        values = {"engine": engine, "greedy": True, "echo_cancellation": "off"}
        conversation = Conversation(bus, Parameters.of(values), load_engine)
        robot = Robot(bus, None, conversation)
        try:
            conversation.configure()
            conversation.activate()
            speak(robot, speech[: round(QUESTION_S * RATE)])
            assert "second floor" in words(bus)
            events = {event.kind for event in bus.topics["turn_event"]}
            assert {"user_started", "robot_started"} <= events  # found on this side of the line
            link = conversation._stage.configured.model.session.snapshot()
            assert link.connections == 1 and link.answer_s < 1.0
            relay.cut()
            speak(robot, np.zeros(round(1.5 * RATE)))
            link = conversation._stage.configured.model.session.snapshot()
            assert (link.connections, link.resumed, link.losses) == (2, 1, 0)
            before = len(bus.topics["text"])
            speak(robot, speech[: round(QUESTION_S * RATE)])
            assert "second floor" in words(bus, before)
        finally:
            conversation.shutdown()
            relay.close()
            server.terminate()


def words(bus: MemoryBus, first: int = 0) -> str:
    return "".join(message.text for message in bus.topics["text"][first:]).lower()


def speak(robot: Robot, samples: np.ndarray) -> None:
    """Let the robot hear samples at their pace."""
    due_s = time.monotonic()
    for first in range(0, len(samples) - FRAME, FRAME):
        robot.send(robot.audio(samples[first : first + FRAME]))
        due_s += FRAME / RATE
        time.sleep(max(0.0, due_s - time.monotonic()))
