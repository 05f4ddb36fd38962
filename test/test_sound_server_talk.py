"""The whole robot on virtual sound cards: asked through one, answering on the other, unplugged."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dds_support import loopback, wait_until
from pulse_support import RATE, Card, alsa_devices, needs_pulse

from personaplex_ros.audio import read_wave, resample, to_mono
from personaplex_ros.node.dds.bus import DdsBus
from personaplex_ros.node.hosts.bus import RELIABLE
from personaplex_ros.resources import share_directory

pytestmark = [needs_pulse, pytest.mark.long, pytest.mark.alone]

QUESTION_S = 6.5
"""The caller's first question, on which floor the meeting room is, and time for the answer."""
ERROR = 2


class Robot:
    """The node as a process, with what it says and how it is."""

    def __init__(self, *words: str) -> None:
        self.bus = DdsBus("listener")
        self.said: list[str] = []
        self.statuses: dict[str, tuple[int, str]] = {}
        self.bus.subscribe(
            "transcript", "personaplex_ros/msg/Utterance", RELIABLE, lambda m, _: self._say(m)
        )
        self.bus.subscribe(
            "/diagnostics", "diagnostic_msgs/msg/DiagnosticArray", RELIABLE, self._take
        )
        command = [sys.executable, "-m", "personaplex_ros", "node", "--end-with-stdin"]
        self._child = subprocess.Popen([*command, "--ros-args", *words], stdin=subprocess.PIPE)

    def levels(self) -> dict[str, int]:
        """Return how the cards are."""
        return {name: level for name, (level, _) in self.statuses.items() if "card" in name}

    def is_active(self) -> bool:
        """Tell whether it holds a conversation."""
        assert self._child.poll() is None, "the node has ended"
        return self.statuses.get("personaplex: conversation", (0, ""))[1] == "active"

    def close(self) -> int:
        """End it; returns its exit status."""
        self._child.terminate()
        status = self._child.wait(20)
        self.bus.close()
        return status

    def _say(self, message: Any) -> None:
        self.said.append(message.text)

    def _take(self, message: Any, _: str) -> None:
        for status in message.status:
            self.statuses[status.name] = (int(status.level), status.message)


@pytest.fixture
def cards(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[tuple[Card, Card]]:
    """Return the room that the robot hears and the loudspeaker on which it speaks."""
    loopback(monkeypatch)
    room, mouth = Card(tmp_path / "room", "room"), Card(tmp_path / "mouth", "mouth")
    alsa_devices(
        tmp_path / "alsa.conf", virtual_ear=(room, "room.monitor"), virtual_mouth=(mouth, "mouth")
    )
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(tmp_path / "alsa.conf"))
    yield room, mouth
    room.close()
    mouth.close()


def test_the_robot_answers_and_does_so_again_when_its_cards_are_back(
    cards: tuple[Card, Card], tmp_path: Path
) -> None:
    room, mouth = cards
    robot = Robot(
        "-p", "audio_source:=device:ear", "-p", "audio_sink:=device:mouth", "-p", "greedy:=true"
    )  # fmt: skip
    try:
        wait_until(robot.is_active, 90.0)
        assert answers(robot, room, mouth, tmp_path / "first.raw")
        room.unplug()
        mouth.unplug()
        wait_until(lambda: set(robot.levels().values()) == {ERROR}, 15.0)
        time.sleep(5.0)
        assert robot.is_active()
        mouth.plug()
        wait_until(lambda: robot.levels()["personaplex: loudspeaker card"] != ERROR, 15.0)
        assert robot.levels()["personaplex: microphone card"] == ERROR
        room.plug()
        wait_until(lambda: ERROR not in robot.levels().values(), 15.0)
        assert answers(robot, room, mouth, tmp_path / "second.raw")
    finally:
        status = robot.close()
    assert status == 0


def answers(robot: Robot, room: Card, mouth: Card, path: Path) -> bool:
    """Ask the robot something; tell whether it says something that is heard on its loudspeaker."""
    caller = read_wave(share_directory() / "config" / "demo" / "caller.wav")
    samples = resample(to_mono(caller.samples), caller.rate, RATE)
    before = len(robot.said)
    with mouth.recording(path):
        room.play(samples[: round(QUESTION_S * RATE)])
        wait_until(lambda: len(robot.said) > before, 15.0)
    heard = np.fromfile(path, np.float32)
    loud = [float(np.sqrt(np.mean(b**2))) > 0.01 for b in np.array_split(heard, len(heard) // 2400)]
    return sum(loud) * 0.05 > 0.5 and "floor" in " ".join(robot.said[before:])
