"""Clocks that are set by hours: the robot hears, speaks, and neither holds nor waits for good."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from node_support import FRAME, FRAME_NS, RATE, Robot, robot

from personaplex_ros.node.hosts.messages import time_ns

pytestmark = pytest.mark.alone

HOUR_NS = 3600 * 10**9
JUMPS = [-5 * HOUR_NS, -HOUR_NS // 3600, 2 * HOUR_NS]

DEMO = Path(__file__).resolve().parent.parent / "config" / "demo"


def caller() -> list[np.ndarray]:
    """Return frames of the first thing that the recorded caller says, 3 s."""
    samples, _ = soundfile.read(DEMO / "caller.wav", dtype="int16")
    truth = json.loads((DEMO / "caller.json").read_text())[0]
    begin = int(truth["start_s"] * RATE)
    return list(samples[begin : begin + 36 * FRAME].reshape(-1, FRAME))


SPEECH = caller()
SILENCE = np.zeros(FRAME)


def hear(one: Robot, frames: Iterable[np.ndarray], **changes: Any) -> None:
    """Let the robot hear frames one by one."""
    for frame in frames:
        answered = one.frames
        one.send(one.audio(frame, **changes))
        one.bus.wait_for(lambda n=answered: one.frames > n)


def last(one: Robot, topic: str) -> Any:
    return one.bus.topics[topic][-1]


jumps = pytest.mark.parametrize("jump_ns", JUMPS, ids=["5 h back", "1 s back", "2 h ahead"])


@jumps
@pytest.mark.parametrize("changes", [{}, {"first_sample": 0}], ids=["numbered", "without index"])
def test_a_microphone_whose_clock_is_set_is_heard_all_the_same(
    jump_ns: int, changes: dict[str, int]
) -> None:
    with robot() as one:
        hear(one, SPEECH[:12], **changes)
        one.next_stamp_ns += jump_ns
        hear(one, SPEECH[12:24], **changes)
        said = one.bus.topics["audio_out"]
        assert time_ns(said[-1].header.stamp) == one.next_stamp_ns
        np.testing.assert_array_equal(np.concatenate(one.session.heard) * 32768,
                                      np.concatenate(SPEECH[:24]))  # fmt: skip
        assert len(said) == 24 and said[-1].data.any()
        assert one.bus.diagnostics()["microphone"].values["filled frames"] == "0"


@jumps
def test_a_hold_ends_in_its_time_though_the_clock_was_set_in_it(jump_ns: int) -> None:
    tone = (0.2 * np.sin(np.arange(FRAME) * 0.1)).astype(np.float32)
    with robot(hold_timeout_s=2.0) as one:
        one.session.speech = lambda frame: tone
        hear(one, [SILENCE] * 12)
        hear(one, SPEECH[:10])
        assert last(one, "motion_hold").data
        one.next_stamp_ns += jump_ns
        hear(one, SPEECH[10:])
        assert not last(one, "motion_hold").data
        assert last(one, "audio_out").data.any()


@jumps
def test_an_engagement_ends_though_the_clock_was_set_in_it(jump_ns: int) -> None:
    with robot(engagement_end_s=4.0) as one:
        one.session.speech = np.zeros_like
        hear(one, [*[SILENCE] * 5, *SPEECH, *[SILENCE] * 5])
        assert last(one, "engaged").data
        one.next_stamp_ns += jump_ns
        hear(one, [SILENCE] * 60)
        assert not last(one, "engaged").data
        one.session.speech = lambda frame: frame
        hear(one, SPEECH)
        assert last(one, "engaged").data and last(one, "audio_out").data.any()


@pytest.mark.parametrize("jump_s", [-18_000, 7_200])
def test_a_wall_clock_that_is_set_keeps_silence_and_publishers_going(
    jump_s: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with robot(late_audio_timeout_s=0.1, source_timeout_s=0.3) as one:
        one.hear(3)
        offset = jump_s * 10**9
        now = time.time_ns
        monkeypatch.setattr(one.bus, "now_ns", lambda: now() + offset)
        filled = one.frames
        one.bus.wait_for(lambda: one.frames >= filled + 5)  # silence, at its pace
        begun = time.monotonic()
        one.next_sample, one.next_stamp_ns = 0, one.bus.now_ns()
        while not one.session.heard[-1].any():  # another publisher, in the new time
            assert time.monotonic() - begun < 3.0
            one.send(one.audio(SPEECH[5]), "another")
            time.sleep(0.05)
        answered = one.bus.topics["audio_out"]
        one.bus.wait_for(lambda: answered[-1].data.any())
        assert abs(time_ns(answered[-1].header.stamp) - one.bus.now_ns()) < 10 * FRAME_NS + 10**9


@pytest.mark.parametrize("stamp_ns", [2**31 * 10**9 - 1, -(2**31) * 10**9], ids=["2038", "1901"])
def test_stamps_at_the_ends_of_what_a_message_holds_are_answered(stamp_ns: int) -> None:
    with robot() as one:
        one.next_stamp_ns = stamp_ns
        hear(one, SPEECH[:1])
        assert time_ns(last(one, "audio_out").header.stamp) <= 2**31 * 10**9 - 1
        one.next_stamp_ns = 0  # the clock is set
        hear(one, SPEECH[:3])
        assert any(message.data.any() for message in one.bus.topics["audio_out"])
        assert one.bus.diagnostics()["conversation"].values["faults"] == "0"
