"""Peers that have its topic with another type or QoS: told, and nothing else suffers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from dds_support import wait_until

from personaplex_ros.node.dds.bus import DdsBus
from personaplex_ros.node.hosts.bus import LATCHED, RELIABLE, SENSOR, Qos

AUDIO = "personaplex_ros/msg/AudioFrame"
OTHER = "audio_common_msgs/msg/AudioStamped"


@pytest.fixture
def node(bus: DdsBus, capfd: pytest.CaptureFixture[str]) -> Any:
    """Return the bus with what it has logged so far, and another robot's bus beside it."""
    peer = DdsBus("peer", "/robot")
    told: list[str] = []

    def lines() -> list[str]:
        told.extend(line for line in capfd.readouterr().err.splitlines() if "robot.talk]" in line)
        return told

    yield bus, peer, lines
    peer.close()


@pytest.mark.parametrize("first", ["peer", "node"])
def test_a_microphone_of_another_type_is_told_and_one_that_fits_is_heard(
    node: Any, first: str
) -> None:
    bus, peer, lines = node
    heard: list[int] = []

    def subscribe() -> None:
        bus.subscribe("audio_in", AUDIO, SENSOR, lambda message, _: heard.append(len(message.data)))

    if first == "node":
        subscribe()
    other = peer.advertise("audio_in", OTHER, RELIABLE)
    if first == "peer":
        subscribe()
    wait_until(lambda: any("/robot/audio_in is published as" in line for line in lines()))
    other.publish(peer.message(OTHER)())
    right = peer.advertise("audio_in", AUDIO, RELIABLE)
    wait_until(right.subscribers)
    message = peer.message(AUDIO)()
    message.data = np.ones(1920, np.int16)
    right.publish(message)
    wait_until(lambda: heard == [1920])
    right.close()
    (line,) = [line for line in lines() if "audio_in" in line]
    assert not [line for line in lines() if "failed" in line]
    assert f"published as {OTHER}, by this node read as {AUDIO}; use one type" in line


@pytest.mark.parametrize(
    ("kind", "qos", "words"),
    [
        ("std_msgs/msg/Bool", RELIABLE, "as std_msgs/msg/Bool, by this node published as"),
        (AUDIO, LATCHED, "with QoS transient local, by this node published as volatile"),
    ],
)
def test_a_listener_that_does_not_fit_is_told_and_others_hear(
    node: Any, kind: str, qos: Qos, words: str
) -> None:
    bus, peer, lines = node
    heard: list[Any] = []
    speech = bus.advertise("audio_out", AUDIO, RELIABLE)
    peer.subscribe("audio_out", kind, qos, lambda message, _: heard.append("never"))
    wait_until(lambda: any("/robot/audio_out is read" in line for line in lines()))
    peer.subscribe("audio_out", AUDIO, SENSOR, lambda message, _: heard.append(len(message.data)))
    wait_until(speech.subscribers)
    message = bus.message(AUDIO)()
    message.data = np.ones(3, np.int16)
    speech.publish(message)
    wait_until(lambda: heard == [3])
    (line,) = [line for line in lines() if "audio_out" in line]
    assert words in line
