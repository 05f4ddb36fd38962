"""The whole robot on virtual sound cards: asked through one, answering on the other, unplugged."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from dds_support import loopback, wait_until
from pulse_support import RATE, Card, alsa_devices, needs_pulse
from robot_support import QUESTION_S, Robot

from personaplex_ros.audio import read_wave, resample, to_mono
from personaplex_ros.resources import share_directory

pytestmark = [needs_pulse, pytest.mark.long, pytest.mark.alone]

ERROR = 2


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
