"""Sound over a bad line: every sample is heard, concealed or reported, in order and never twice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from personaplex_ros.audio import AudioChunk, IntakeLimits, MicrophoneIntake
from personaplex_ros.audio.network import StreamJoiner
from personaplex_ros.audio.network.concealment import bridge, extend

RATE = 24_000
SIZE = 480
CHUNK_S = 0.02
START_S = 1_700_000_000.0


def voice(seconds: float, pitch_hz: float = 120.0) -> np.ndarray:
    """Return something with a pitch that glides and with overtones, float32 [n]."""
    times = np.arange(round(seconds * RATE)) / RATE
    phase = 2 * np.pi * np.cumsum(pitch_hz * (1 + 0.1 * np.sin(2 * times))) / RATE
    sound = sum(np.sin(k * phase) / k for k in range(1, 12))
    return (0.2 * sound).astype(np.float32)


def stream(samples: np.ndarray, size: int = SIZE) -> list[AudioChunk]:
    return [
        AudioChunk(
            samples[first : first + size], RATE, 1, _ns(START_S + first / RATE), first, "mic"
        )
        for first in range(0, len(samples), size)
    ]


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)


def arrivals(
    chunks: list[AudioChunk], *, delay_s=0.0, jitter_s=0.0, loss=0.0, twice=0.0, seed=0
) -> list[tuple[int, AudioChunk]]:
    """Return chunks with their times of arrival [ns], as a line with independent delays brings."""
    rng = np.random.default_rng(seed)
    result = []
    for chunk in chunks:
        for _ in range(1 + (rng.random() < twice)):
            if rng.random() >= loss:
                late_s = delay_s + rng.uniform(-jitter_s, jitter_s)
                result.append((chunk.stamp_ns + chunk.duration_ns + _ns(late_s), chunk))
    return sorted(result, key=lambda arrival: arrival[0])


def run(joiner: StreamJoiner, coming: list[tuple[int, AudioChunk]], tick_ns: int = 5_000_000):
    """Let chunks arrive; return each piece with the time at which it went on."""
    gone, now_ns = [], coming[0][0]
    for at_ns, chunk in coming:
        while now_ns + tick_ns < at_ns:
            now_ns += tick_ns
            gone += [(now_ns, piece) for piece in joiner.release(now_ns)]
        now_ns = at_ns
        gone += [(now_ns, piece) for piece in joiner.push(chunk, now_ns)]
    return gone + [(now_ns, piece) for piece in joiner.release(now_ns, at_once=True)]


def joined(gone) -> np.ndarray:
    return np.concatenate([piece.samples for _, piece in gone])


@pytest.mark.parametrize("size", [160, 480, 1_920])
def test_on_a_clean_line_nothing_waits_and_no_sample_changes(size):
    samples = voice(6.0)
    chunks = stream(samples, size)
    joiner = StreamJoiner(IntakeLimits(), RATE)
    coming = arrivals(chunks, delay_s=0.01)
    for (at_ns, chunk), (gone_ns, piece) in zip(coming, run(joiner, coming), strict=True):
        assert gone_ns == at_ns and piece.samples is not None
        assert np.array_equal(piece.samples, chunk.samples) and piece.stamp_ns == chunk.stamp_ns
    assert joiner.held_samples == 0 and joiner.counters.gaps == 0


def test_a_line_that_is_irregular_but_in_order_adds_no_delay_either():
    chunks = stream(voice(6.0))
    coming = arrivals(chunks, delay_s=0.05, jitter_s=0.009)
    gone = run(StreamJoiner(IntakeLimits(), RATE), coming)
    assert [at_ns for at_ns, _ in gone] == [at_ns for at_ns, _ in coming]


def test_on_a_line_that_only_loses_nothing_waits_for_what_never_comes():
    coming = arrivals(stream(voice(20.0)), delay_s=0.05, loss=0.1)
    joiner = StreamJoiner(IntakeLimits(), RATE)
    gone = run(joiner, coming)
    times = {piece.stamp_ns: at_ns for at_ns, piece in gone}
    assert all(times[chunk.stamp_ns] == at_ns for at_ns, chunk in coming)
    assert joiner.counters.concealed_samples == joiner.counters.gap_samples > 0


@pytest.mark.parametrize("seed", range(3))
def test_what_was_overtaken_is_put_back_in_order(seed):
    samples = voice(20.0)
    coming = arrivals(stream(samples), delay_s=0.05, jitter_s=0.03, seed=seed)
    joiner = StreamJoiner(IntakeLimits(), RATE)
    gone = run(joiner, coming)
    track = joined(gone)
    counters = joiner.counters
    settled = 3 * RATE  # until it is known how irregular the line is
    wrong = np.count_nonzero(track[settled:] != samples[settled : len(track)])
    assert wrong < 0.02 * len(samples) and counters.reordered > 100
    assert counters.restarts == 0 and counters.overlap_samples == 0
    assert counters.late_samples == counters.gap_samples  # nothing was lost
    behind = [at_ns - piece.stamp_ns for at_ns, piece in gone]
    assert max(behind) <= _ns(CHUNK_S + 0.05 + 0.03 + 0.2)


@pytest.mark.parametrize("stamped", [True, False])
@pytest.mark.parametrize("seed", range(25))
def test_every_sample_is_heard_filled_or_counted_whatever_the_line_does(seed, stamped):
    rng = np.random.default_rng(1_000 + seed)
    # Each sample is its own number, so that none can be taken for another.
    samples = (np.arange(1, 10 * RATE + 1) / 2**24).astype(np.float32)
    chunks = stream(samples, int(rng.choice([160, 480, 960])))
    coming = arrivals(
        chunks[2:],
        delay_s=0.1,
        jitter_s=float(rng.uniform(0, 0.1)),
        loss=float(rng.choice([0, 0.01, 0.05, 0.1, 0.3])) * (1.0 if stamped else 0.3),
        twice=float(rng.choice([0, 0.05])) * stamped,
        seed=seed,
    )
    if not stamped:  # then two in a row have to tell that the index counts
        coming = arrivals(chunks[:2]) + coming
        coming = [(at_ns, replace(chunk, stamp_ns=0)) for at_ns, chunk in coming]
    limits = IntakeLimits(
        network_delay_max_s=float(rng.choice([0.0, 0.05, 0.2])) if stamped else 0.2,
        max_gap_fill_s=5.0,
        conceal=False,
    )
    joiner = StreamJoiner(limits, RATE)
    track = joined(run(joiner, coming))
    counters = joiner.counters
    heard = track[track > 0]
    numbers = np.rint(heard * 2**24).astype(int)
    assert (np.diff(numbers) > 0).all()  # in order, none twice
    assert counters.restarts == 0
    assert len(track) == len(heard) + counters.gap_samples
    come = sum(chunk.frames for _, chunk in coming)
    assert come == len(heard) + counters.late_samples + counters.overlap_samples
    assert numbers[-1] - numbers[0] + 1 == len(track)


def test_a_chunk_that_is_missing_is_given_up_while_nothing_else_comes():
    chunks = stream(voice(3.0))
    coming = arrivals(chunks[:100], delay_s=0.05, jitter_s=0.03)
    intake = MicrophoneIntake(RATE, 1_920, IntakeLimits(max_backlog_frames=99))
    for at_ns, chunk in coming:
        intake.accept(chunk, at_ns)
    while intake.take(0.0):
        pass
    at_ns = coming[-1][0]
    for k in (101, 102, 103):  # number 100 never comes, and then nothing at all
        intake.accept(chunks[k], max(at_ns, chunks[k].stamp_ns + _ns(CHUNK_S)))
    frame = intake.take(1.0)
    assert frame is not None and frame.samples[:SIZE].any()
    assert intake.snapshot().concealed_samples >= SIZE


def test_silence_that_stands_in_gives_up_what_is_waited_for():
    chunks = stream(voice(3.0))
    intake = MicrophoneIntake(RATE, 1_920, IntakeLimits(max_backlog_frames=99))
    for at_ns, chunk in arrivals(chunks[:100], delay_s=0.05, jitter_s=0.03):
        intake.accept(chunk, at_ns)
    while intake.take(0.0):
        pass
    intake.accept(chunks[101], chunks[101].stamp_ns + _ns(CHUNK_S))
    assert intake.waiting_samples() >= SIZE
    intake.fill()
    assert intake.snapshot().gaps >= 1


def test_a_publisher_that_begins_anew_is_not_waited_for():
    chunks = stream(voice(4.0))
    joiner = StreamJoiner(IntakeLimits(), RATE)
    coming = arrivals(chunks[:100], delay_s=0.05, jitter_s=0.03)
    run(joiner, coming)
    fresh = [
        replace(chunk, first_sample=(k - 100) * SIZE) for k, chunk in enumerate(chunks) if k >= 100
    ]
    gone = run(joiner, arrivals(fresh, delay_s=0.09))
    assert joiner.counters.restarts == 1
    assert np.array_equal(joined(gone), np.concatenate([chunk.samples for chunk in fresh]))


@pytest.mark.parametrize("loss", [1, 2, 4])
def test_a_gap_in_a_voice_is_closed_without_a_step_and_much_as_it_was(loss):
    samples = voice(2.0)
    first, end = 24_000, 24_000 + loss * SIZE
    past, future = samples[:first], samples[end:]
    filled = bridge(past, future, end - first, RATE)
    whole = np.concatenate([past, filled, future])
    usual = np.abs(np.diff(samples)).max()
    assert np.abs(np.diff(whole))[first - 2 : end + 2].max() < 1.6 * usual
    error = np.mean((filled - samples[first:end]) ** 2) / np.mean(samples[first:end] ** 2)
    assert error < (0.2, 0.4, 0.9)[(loss > 1) + (loss > 2)]


def test_what_goes_on_fades_and_silence_stays_silence():
    sound = extend(voice(1.0), RATE, RATE)
    assert np.abs(sound[: RATE // 50]).max() > 0.3
    assert not sound[RATE // 10 :].any()
    assert not extend(np.zeros(RATE, np.float32), 480, RATE).any()
    assert not extend(voice(0.01), 480, RATE).any()  # too little is known
    assert not bridge(np.zeros(RATE, np.float32), np.zeros(9, np.float32), 480, RATE).any()
