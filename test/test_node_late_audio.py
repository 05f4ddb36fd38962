"""Audio that begins after a silence, or comes late for good, is heard whatever its rhythm."""

from __future__ import annotations

import time

import numpy as np
import pytest
from node_support import FRAME, RATE, robot

pytestmark = pytest.mark.alone

CHUNK = FRAME // 4  # 20 ms, as sound cards and our own player send


def send_in_rhythm(r, chunks: int) -> None:
    """Send chunks at real pace, each stamped with its own time of capture."""
    due = time.monotonic()
    for _ in range(chunks):
        due += CHUNK / RATE
        time.sleep(max(0.0, due - time.monotonic()))
        message = r.audio(np.full(CHUNK, 1000))
        stamp = time.time_ns() - CHUNK * 1_000_000_000 // RATE
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp, 10**9)
        r.send(message)


def frames_heard(r) -> int:
    return sum(bool(np.any(frame)) for frame in list(r.session.heard))


@pytest.mark.parametrize("phase_ms", [0, 5, 10, 15, 19])
def test_audio_is_heard_from_its_begin_in_any_rhythm_after_silence(phase_ms):
    with robot(late_audio_timeout_s=0.1) as r:
        r.bus.wait_for(lambda: len(r.session.heard) >= 3)  # silence takes audio's place now
        time.sleep(phase_ms / 1000)
        send_in_rhythm(r, 24)  # six frames
        r.bus.wait_for(lambda: frames_heard(r) >= 5)


def test_a_robot_whose_audio_becomes_late_for_good_is_not_deaf():
    with robot(late_audio_timeout_s=0.1) as r:
        send_in_rhythm(r, 8)
        time.sleep(0.4)  # the network now takes this much longer, and goes on so
        before = frames_heard(r)
        due = time.monotonic()
        for _ in range(40):
            due += CHUNK / RATE
            time.sleep(max(0.0, due - time.monotonic()))
            r.send(r.audio(np.full(CHUNK, 1000)))
        r.bus.wait_for(lambda: frames_heard(r) >= before + 4)
