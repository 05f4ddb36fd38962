"""The bounded queues between a client and the model, by a clock that the test sets."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from personaplex_ros.server.conversation.inbox import Inbox
from personaplex_ros.server.conversation.outbox import Outbox
from personaplex_ros.server.conversation.outputs import Speech, Words
from personaplex_ros.server.conversation.sent_time import SentTime
from personaplex_ros.server.limits import Limits

RATE, FRAME = 24_000, 1920
FRAME_S = 0.08


class Clock:
    """Stands still unless it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Return what it shows."""
        return self.now


class Line:
    """An inbox, and a client whose frames hold their number."""

    def __init__(self, **limits: float) -> None:
        self.clock = Clock()
        self.inbox = Inbox(RATE, FRAME, Limits(**limits), self.clock)  # type: ignore[arg-type]
        self.sent = 0

    def send(self, frames: int) -> None:
        """Send the next frames."""
        for _ in range(frames):
            self.sent += 1
            self.inbox.put(np.full(FRAME, self.sent / 1000, np.float32))

    def taken(self) -> list[int]:
        """Return the numbers of all frames that are due; 0 stands for silence."""
        numbers = []
        while (heard := self.inbox.take(0.0)) is not None:
            numbers.append(round(float(heard.samples[0]) * 1000))
            assert heard.filled == (numbers[-1] == 0)
            assert heard.sent == FRAME * (self.sent if heard.filled else numbers[-1] - 1)
        return numbers


def test_pieces_of_any_size_become_frames() -> None:
    line = Line()
    samples = np.linspace(-1, 1, 3 * FRAME, dtype=np.float32)
    for piece in np.split(samples, [1, 7, 1919, 1920, 1921, 5000, 5001]):
        line.inbox.put(piece)
    heard = [line.inbox.take(0.0) for _ in range(3)]
    assert np.array_equal(np.concatenate([one.samples for one in heard if one]), samples)
    assert line.inbox.take(0.0) is None


def test_what_is_no_sound_is_made_one() -> None:
    line = Line()
    line.inbox.put(np.array([np.nan, np.inf, -np.inf, 7.0] * (FRAME // 4), np.float32))
    heard = line.inbox.take(0.0)
    assert heard is not None and heard.samples[:4].tolist() == [0.0, 1.0, -1.0, 1.0]


def test_silence_stands_in_for_audio_that_does_not_come_at_the_pace_of_time() -> None:
    line = Line(silence_after_s=0.5)
    line.send(1)
    assert line.taken() == [1]
    line.clock.now += 0.49
    assert line.taken() == []
    line.clock.now += 0.02
    assert line.taken() == [0]
    line.clock.now += 10 * FRAME_S
    assert line.taken() == [0, 0]  # a model that was away does not owe silence for ever
    assert line.inbox.filled_frames == 3
    line.send(1)
    assert line.taken() == [2]
    line.clock.now += 0.4
    assert line.taken() == []


def test_audio_that_was_late_is_made_up_for_at_once() -> None:
    line = Line(silence_after_s=5.0, catch_up_s=1.0)
    line.send(12)
    assert len(line.taken()) == 12
    line.clock.now += 0.96
    line.send(12)
    assert line.taken() == list(range(13, 25))
    assert line.inbox.dropped_frames == 0


def test_nobody_gets_more_of_the_model_than_time_passes() -> None:
    line = Line(catch_up_s=1.0, backlog_s=0.32)
    taken = 0
    for _ in range(100):
        line.send(10)
        taken += len(line.taken())
        line.clock.now += FRAME_S
    assert 100 <= taken <= 100 + 13
    assert line.inbox.dropped_frames >= 1000 - taken - 5


def test_of_too_much_that_waits_the_newest_is_heard() -> None:
    line = Line(catch_up_s=0.16, backlog_s=0.32)
    line.send(7)  # two may be heard at once, four may wait
    assert line.inbox.dropped_frames == 5
    assert line.taken() == [6, 7]


def test_a_protocol_may_let_more_wait() -> None:
    line = Line(catch_up_s=0.16, burst_s=60.0)
    line.send(100)
    numbers = line.taken()
    for _ in range(98):
        line.clock.now += FRAME_S
        numbers += line.taken()
    assert numbers == list(range(1, 101))


def test_who_speaks_at_the_pace_of_time_is_heard_soon_by_a_model_that_is_too_slow() -> None:
    line = Line(catch_up_s=5.0, burst_s=30.0)
    for number in range(500):
        line.send(1)
        line.clock.now += FRAME_S
        assert line.inbox.waiting_s < 1.4
        if number % 2:  # it takes twice as long as a frame lasts
            assert line.inbox.take(0.0) is not None
    assert 200 < line.inbox.dropped_frames < 250


def test_what_was_sent_and_not_heard_counts_in_the_clients_time() -> None:
    line = Line(catch_up_s=0.16, backlog_s=0.32, silence_after_s=0.5)
    sent = SentTime(80_000_000)
    heard: list[int] = []

    def hear() -> None:
        while (frame := line.inbox.take(0.0)) is not None:
            sent.follow(len(heard) * 80_000_000, frame.sent * 80_000_000 // FRAME)
            heard.append(round(float(frame.samples[0]) * 1000))

    line.send(7)
    hear()
    line.clock.now += 0.6
    hear()
    line.send(1)
    line.inbox.clear()
    line.clock.now += 2 * FRAME_S
    line.send(2)
    hear()
    assert heard == [6, 7, 0, 0, 9, 10]
    begins = [sent.of(number * 80_000_000) // 80_000_000 for number in range(len(heard))]
    assert begins == [5, 6, 7, 7, 8, 9]
    assert sent.of(3 * 80_000_000 - 1) == 8 * 80_000_000 - 1, "amid a frame"
    assert line.inbox.sent_s == pytest.approx(10 * FRAME_S)


def test_of_many_losses_the_last_are_remembered() -> None:
    sent = SentTime(10)
    for loss in range(1000):
        sent.follow(100 * loss, 200 * loss)
    assert sent.of(99_950) == 199_850 and sent.of(99_899) == 99_899 + 99_800
    assert sent.of(0) == 93_600, "as the oldest that is known"


def speech(number: int) -> Speech:
    return Speech(number, np.zeros(FRAME, np.float32), 0.0)


def test_of_speech_that_is_not_sent_the_oldest_is_dropped_and_words_are_kept() -> None:
    async def put_and_take() -> list[object]:
        outbox = Outbox(asyncio.get_running_loop(), speech=3, outputs=100)
        for number in range(10):
            outbox.put(speech(number), Words(number, "a"))
        taken = await outbox.take()
        assert outbox.dropped_frames == 7 and outbox.dropped_others == 0
        outbox.put(speech(10))
        assert len(await outbox.take()) == 1
        return list(taken)

    taken = asyncio.run(put_and_take())
    assert [o.frame for o in taken if isinstance(o, Speech)] == [7, 8, 9]
    assert [o.frame for o in taken if isinstance(o, Words)] == list(range(10))


def test_of_too_much_in_all_the_oldest_is_dropped() -> None:
    async def put_and_take() -> list[object]:
        outbox = Outbox(asyncio.get_running_loop(), speech=3, outputs=5)
        for number in range(10):
            outbox.put(Words(number, "a"))
        assert outbox.dropped_others == 5
        return list(await outbox.take())

    taken = asyncio.run(put_and_take())
    assert [o.frame for o in taken if isinstance(o, Words)] == [5, 6, 7, 8, 9]


def test_nothing_is_taken_of_an_empty_outbox() -> None:
    async def wait() -> None:
        outbox = Outbox(asyncio.get_running_loop(), speech=3, outputs=5)
        outbox.put()
        await asyncio.wait_for(outbox.take(), 0.05)

    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(wait())
