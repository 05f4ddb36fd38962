"""The whole robot asked through packets to a group, as a Unitree G1 sends them."""

from __future__ import annotations

import numpy as np
import pytest
from dds_support import loopback, wait_until
from robot_support import QUESTION_S, Robot
from udp_support import Sender, free_group

from personaplex_ros.audio import float32_to_int16, read_wave, resample, to_mono
from personaplex_ros.resources import share_directory

pytestmark = [pytest.mark.long, pytest.mark.alone]

RATE = 16_000
BLOCK = 2_560
"""Samples of a packet: 5120 bytes, 160 ms."""
ERROR = 2


def test_the_robot_answers_packets_and_says_when_they_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    loopback(monkeypatch)
    group, port = free_group()
    url = f"udp://{group}:{port}?rate={RATE}&interface=lo"
    caller = read_wave(share_directory() / "config" / "demo" / "caller.wav")
    samples = resample(to_mono(caller.samples), caller.rate, RATE)[: round(QUESTION_S * RATE)]
    sender = Sender(group, port)
    robot = Robot("-p", f"audio_source:={url}", "-p", "greedy:=true")
    try:
        wait_until(robot.is_active, 90.0)
        wait_until(lambda: ERROR in robot.levels().values(), 10.0)  # nobody sends yet
        sender.play(float32_to_int16(np.asarray(samples)), RATE, BLOCK)
        wait_until(lambda: "floor" in " ".join(robot.said), 15.0)
        wait_until(lambda: ERROR in robot.levels().values(), 10.0)
        assert "no packet comes to" in robot.statuses["personaplex: microphone stream"][1]
    finally:
        status = robot.close()
        sender.close()
    assert status == 0
