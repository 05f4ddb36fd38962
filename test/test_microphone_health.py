"""The node tells in its log what is wrong with the microphone, what to do, and when it is well."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from node_support import FRAME, RATE, Robot, robot

from personaplex_ros.node.health import microphone as microphone_health
from personaplex_ros.node.hosts.messages import set_time

RNG = np.random.default_rng(3)


class Clock:
    """The time of the health's judgement, which the test moves."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def tick(self, r: Robot, seconds: float = 1.0) -> str:
        """Let time pass and run the diagnostics timer; return what it says of the microphone."""
        self.now_s += seconds
        status = r.bus.diagnostics()["microphone"]
        return str(status.message) if status.level else ""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(microphone_health, "clock", lambda: made.now_s)
    return made


def in_between(act: Callable[[Robot], None]) -> Callable[[Robot], None]:
    """Return the act with the stream going on as if nothing had been sent."""

    def acted(r: Robot) -> None:
        before = r.next_sample, r.next_stamp_ns
        act(r)
        r.next_sample, r.next_stamp_ns = before

    return acted


def logged(r: Robot, words: str) -> list[str]:
    return [f"{level}: {line}" for level, line in r.bus.lines if words in line]


def send(r: Robot, frames: int = FRAME, publisher: str = "microphone", **changes: int) -> None:
    """Send noise, the next of its stream."""
    sound = RNG.integers(-900, 900, frames * changes.get("channels", 1))
    r.send(r.audio(sound, **changes), publisher)


def send_without_header(r: Robot, samples: np.ndarray, publisher: str) -> None:
    """Send what the simplest publisher does: no index, no stamp."""
    msg = r.audio(samples, first_sample=0)
    set_time(msg.header.stamp, 0)
    r.send(msg, publisher)


@pytest.mark.parametrize("publisher", ["microphone", ""])  # rclpy does not tell who published
@pytest.mark.parametrize("size", [480, FRAME, 10 * FRAME])
def test_a_publisher_that_fills_in_neither_index_nor_stamp_is_heard(
    clock: Clock, size: int, publisher: str
) -> None:
    sound = RNG.integers(-900, 900, 20 * FRAME)
    with robot(max_backlog_frames=30) as r:
        clock.tick(r)
        for first in range(0, len(sound), size):
            send_without_header(r, sound[first : first + size], publisher)
        r.bus.wait_for(lambda: r.frames == 20)
        assert np.array_equal(np.concatenate(r.session.heard) * 32768, sound)
        assert len(r.bus.topics["audio_out"]) == 20
        for _ in range(3):
            assert clock.tick(r) == ""
        (line,) = logged(r, "first_sample")
        assert line.startswith("warn: microphone: index") and "number of samples per" in line


def test_an_index_without_sense_is_soon_ignored_where_publishers_have_no_names() -> None:
    with robot(max_backlog_frames=50) as r:
        for number in range(40):
            send(r, first_sample=number * 1_000_000_007, publisher="")
        assert taken_and_ignored(r) == (38, 2)
        send(r, first_sample=0, publisher="")
        assert taken_and_ignored(r) == (39, 2)
        # A busy machine may put silence in place of one of them.
        r.bus.wait_for(lambda: sum(bool(frame.any()) for frame in r.session.heard) > 30)


def taken_and_ignored(r: Robot) -> tuple[int, int]:
    """Return how many messages were taken as sound, and as those of a second publisher."""
    counters = r.bus.diagnostics()["microphone"].values
    return int(counters["chunks"]), int(counters["second publisher"])


def test_a_missing_microphone_is_told_once_a_minute_and_so_is_its_return(clock: Clock) -> None:
    with robot() as r:
        for _ in range(70):
            clock.tick(r)
        lines = logged(r, "nothing has come")
        assert len(lines) == 2 and "nothing has come for 5 s" in lines[0]
        assert "personaplex_ros/msg/AudioFrame on audio_in" in lines[0]
        for _ in range(80):
            r.hear()
            said = clock.tick(r, 0.08)
        assert said == ""
        (well,) = logged(r, "heard well again")
        assert well.startswith("info") and "after 64 s" in well


def second_publisher(r: Robot) -> None:
    first = r.next_sample
    send(r)
    stamp_ns = r.next_stamp_ns
    send(r, publisher="radio", first_sample=10**9)
    r.next_sample, r.next_stamp_ns = first + FRAME, stamp_ns


def sent_twice(r: Robot) -> None:
    msg = r.audio(RNG.integers(-900, 900, FRAME))
    r.send(msg)
    r.send(msg)


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (second_publisher, "'radio' is ignored while 'microphone' sends; stop one of them"),
        (in_between(lambda r: send(r, rate=400_000)), "bad rate: 400000 Hz"),
        (in_between(lambda r: send(r, channels=33)), "bad channels"),
        (in_between(lambda r: send(r, frames=0)), "empty"),
        (in_between(lambda r: send(r, frames=30 * FRAME)), "oversized"),
        (sent_twice, "duplicate/overlap"),
    ],
)
def test_a_fault_is_told_once_with_its_remedy_and_then_that_it_is_over(
    clock: Clock, act: Callable[[Robot], None], words: str
) -> None:
    with robot(max_backlog_frames=50) as r:
        r.hear()
        for _ in range(20):
            act(r)
            assert words in clock.tick(r, 0.08)
        assert len(logged(r, words)) == 1 and logged(r, words)[0].startswith("warn: microphone: ")
        for _ in range(80):
            r.hear()
            clock.tick(r, 0.08)
        assert len(logged(r, "heard well again")) == 1


def test_messages_that_cannot_be_read_are_told_once_however_they_differ(clock: Clock) -> None:
    with robot(audio_in_type="audio_common_msgs/msg/AudioData", audio_in_rate=RATE) as r:
        for size in range(101, 141, 2):
            msg = r.bus.message("audio_common_msgs/msg/AudioData")()
            msg.data = np.zeros(size, np.uint8)
            r.send(msg)
            assert "is the driver sending compressed audio?" in clock.tick(r)
        (line,) = logged(r, "compressed audio")
        assert line.startswith("error: microphone: a message holds 101 bytes")


def test_a_muted_microphone_is_told(clock: Clock) -> None:
    with robot(max_backlog_frames=20) as r:
        for _ in range(7):
            for _ in range(5):
                send_without_header(r, np.zeros(RATE), "microphone")
                r.bus.wait_for(
                    lambda: r.conversation._stage.running.intake.waiting_samples() < FRAME
                )
            said = clock.tick(r, 5.0)
        assert "only digital silence for 30 s: is it muted" in said
        send(r)
        clock.tick(r)
        assert "digital" not in clock.tick(r)


@pytest.mark.parametrize(
    ("real", "declared", "words"),
    [
        (16_000, 48_000, "0.33 s of audio come in a second at the declared 48000 Hz, so its rate"),
        (48_000, 16_000, "3.00 s of audio come in a second at the declared 16000 Hz, so its rate"),
        (44_100, 48_000, ""),
        (24_000, 24_000, ""),
    ],
)
def test_a_declared_rate_that_is_not_the_real_one_is_told(
    clock: Clock, real: int, declared: int, words: str
) -> None:
    with robot() as r:
        send(r, frames=real // 10, rate=declared)
        for _ in range(10):
            for _ in range(10):
                send(r, frames=real // 10, rate=declared)
            clock.tick(r)
        told = logged(r, "at the declared")
        assert len(told) == bool(words)
        assert not words or (words in told[0] and f"may be {real} Hz" in told[0])


def test_audio_at_ten_times_its_rate_is_told_and_the_newest_is_answered(clock: Clock) -> None:
    with robot() as r:
        for _ in range(11):
            for _ in range(10):
                send(r, frames=RATE)  # a second, each 0.1 s
            clock.tick(r)
        (line,) = logged(r, "10.00 s of audio come in a second at the declared 24000 Hz")
        assert "or several publishers send as one" in line
        counters = r.conversation._stage.running.intake.snapshot()
        # What the model has taken and not answered yet is counted nowhere.
        r.bus.wait_for(lambda: r.frames + counters.skipped_frames == counters.frames)
        assert len(r.session.heard) == r.frames and counters.skipped_frames > 1000
        r.hear(2)
        assert r.bus.topics["audio_out"]
