"""A robot whose loudspeaker reaches its microphone: what the model hears, holds, and is told."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from node_support import FRAME, RATE, Robot, robot
from test_echo_canceller import speech

DELAY = 2_400
"""Samples from when a frame is said to be heard until it reaches the microphone."""


class Room:
    """Holds a conversation in which the robot talks on and hears itself; `gain` of its level."""

    def __init__(self, robot: Robot, gain: float) -> None:
        self.robot = robot
        self._gain = gain
        self._talk = speech(120.0)
        self._at = 0
        robot.session.speech = self._speak
        self._heard = 0
        self._out = np.zeros(FRAME + DELAY, np.float32)

    def _speak(self, _: np.ndarray) -> np.ndarray:
        frame = self._talk[self._at : self._at + FRAME].copy()
        self._at += FRAME
        return frame

    def live(self, seconds: float, person: np.ndarray | None = None) -> None:
        """Let time pass; a person's samples are added to what the microphone hears."""
        said = self.robot.bus.topics["audio_out"]
        for number in range(round(seconds * RATE / FRAME)):
            while self._heard < len(said):
                samples = np.asarray(said[self._heard].data, np.float32) / 32768
                self._out = np.concatenate((self._out, samples))
                self._heard += 1
            back = np.pad(self._gain * self._out[:FRAME], (0, max(0, FRAME - len(self._out))))
            self._out = self._out[FRAME:]
            noise = 2e-4 * np.random.default_rng(number).standard_normal(FRAME)
            heard = back[:FRAME] + noise
            if person is not None:
                part = person[number * FRAME : (number + 1) * FRAME]
                heard[: len(part)] += part
            answered = self.robot.frames
            self.robot.send(self.robot.audio(np.clip(32768 * heard, -32768, 32767)))
            self.robot.bus.wait_for(lambda n=answered: self.robot.frames > n, 30.0)

    def level_db(self, frames: int) -> float:
        """Return the level of what the model heard last."""
        last = np.concatenate(self.robot.session.heard[-frames:])
        return 10 * float(np.log10(np.mean(last**2) + 1e-12))

    def events(self) -> list[str]:
        """Return what was told, with its state."""
        return [f"{e.kind} {e.state}" for e in self.robot.bus.topics["turn_event"]]


@contextmanager
def in_a_room(gain: float, **parameters: object) -> Iterator[Room]:
    with robot(**parameters) as r:
        yield Room(r, gain)


def test_the_model_does_not_hear_the_robot_and_diagnostics_tell_delay_and_losses():
    pytest.importorskip("livekit")
    with in_a_room(1.0, echo_cancellation="auto") as room:
        room.live(10.0)
        played = np.concatenate(
            [np.asarray(m.data, np.float32) / 32768 for m in room.robot.bus.topics["audio_out"]]
        )
        echo_db = 10 * np.log10(np.mean(played[-50 * FRAME :] ** 2))
        assert room.level_db(50) < echo_db - 30.0
        echo = room.robot.bus.diagnostics()["echo"]
        assert (echo.level, echo.values["cancellation"]) == (0, "on")
        assert abs(float(echo.values["delay"].split()[0]) - 1e3 * DELAY / RATE) < 2.0
        assert float(echo.values["cancelled"].split()[0]) >= 30.0
        assert abs(float(echo.values["return loss"].split()[0])) <= 1.0
        assert "interruption confirmed" not in room.events()
        assert not room.robot.bus.topics["motion_hold"][-1].data


def test_a_person_over_the_echo_is_suspected_soon():
    pytest.importorskip("livekit")
    with in_a_room(1.0, echo_cancellation="auto") as room:
        room.live(8.0)
        before = len(room.robot.bus.topics["turn_event"])
        room.live(1.6, person=np.ascontiguousarray(speech(4.0)[::-1])[: 2 * RATE])
        told = room.robot.bus.topics["turn_event"][before:]
        suspected = next(e for e in told if e.kind == "interruption")
        assert suspected.latency.sec + suspected.latency.nanosec / 1e9 <= 0.25


@pytest.mark.parametrize("gain", [0.5, 4.0])
def test_without_cancellation_a_hold_by_the_robots_own_echo_ends_by_itself(gain):
    with in_a_room(gain, echo_cancellation="off") as room:
        room.live(3.0)
        held = room.robot.bus.topics["motion_hold"]
        assert any(msg.data for msg in held) and not held[-1].data
        later = []
        for _ in range(30):
            room.live(0.16)
            later.append(held[-1].data)
        # When it begins to speak softer it may be held for a moment.
        assert sum(later) <= 4 and not later[-1]


def test_a_robot_that_hears_itself_says_so_and_no_longer_listens_to_itself():
    with in_a_room(1.0, echo_cancellation="off") as room:
        room.live(16.0)
        echo = room.robot.bus.diagnostics()["echo"]
        assert echo.level == 1 and "listens to nobody while it speaks" in echo.message
        assert echo.values["duplex"] == "half"
        assert room.level_db(20) < -100.0
        told = [line for level, line in room.robot.bus.lines if level == "warn"]
        assert any("speaks softer" in line for line in told)
        assert any("echo_cancellation: auto" in line for line in told)
        said = room.robot.bus.topics["audio_out"]
        assert np.abs(np.asarray(said[-1].data)).max() > 0  # it talks on


def test_without_the_library_the_node_says_so_once_and_talks_on(monkeypatch):
    monkeypatch.setitem(sys.modules, "livekit", None)
    with robot(echo_cancellation="auto") as r:
        r.hear(3, level=3000)
        r.conversation.set_parameters({"noise_suppression": True})
        r.hear(3, level=3000)
        echo = r.bus.diagnostics()["echo"]
        said = r.bus.topics["audio_out"]
        told = [line for level, line in r.bus.lines if level == "warn" and "livekit" in line]
    assert len(said) == 6 and np.abs(np.asarray(said[-1].data)).max() == 3000
    assert echo.level == 1 and echo.values["cancellation"] == "partly"
    assert "pip install livekit" in echo.message
    assert len(told) == 1 and "echo_cancellation: off" in told[0]


def test_cancellation_may_be_turned_off_and_on_while_the_robot_talks():
    pytest.importorskip("livekit")
    with in_a_room(0.01, echo_cancellation="auto") as room:
        for value in ("off", "auto"):
            room.live(0.2)
            room.robot.conversation.set_parameters({"echo_cancellation": value})
            room.live(0.4)
            echo = room.robot.bus.diagnostics()["echo"]
            assert echo.values["cancellation"] == {"off": "off", "auto": "on"}[value]
        said = room.robot.bus.topics["audio_out"]
        assert all(np.abs(np.asarray(msg.data)).max() > 0 for msg in said[1:])
