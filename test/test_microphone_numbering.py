"""Publishers whose sample index or stamps are not what they should be are heard all the same."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from personaplex_ros.audio import AudioChunk, IntakeLimits, MicrophoneIntake

START_NS = 1_700_000_000_000_000_000
RATE, FRAME, CHUNKS = 24_000, 1_920, 60
SOUND = np.random.default_rng(7).integers(-9_000, 9_000, CHUNKS * FRAME, dtype=np.int16)

INDICES: dict[str, Callable[[int, int], int]] = {
    "stands still at 0": lambda number, size: 0,
    "stands still elsewhere": lambda number, size: 123_456,
    "stands still at the end": lambda number, size: 2**64 - 1,
    "counts messages": lambda number, size: number,
    "counts milliseconds": lambda number, size: number * size * 1000 // RATE,
    "counts bytes": lambda number, size: 2 * number * size,
    "counts nanoseconds": lambda number, size: number * size * 1_000_000_000 // RATE,
    "falls": lambda number, size: 10_000_000 - number * size,
    "is random": lambda number, size: (number * 7_919 * 104_729) % 1_000_003,
    "goes around at 32 bits": lambda number, size: (2**32 - 5 * size + number * size) % 2**32,
    "goes around from -5": lambda number, size: (number - 5) * size % 2**64,
    "counts samples": lambda number, size: number * size,
}
STAMPS: dict[str, Callable[[int], int]] = {
    "of the capture": lambda passed_ns: START_NS + passed_ns,
    "of zero": lambda passed_ns: 0,
    "of the start": lambda passed_ns: START_NS - 5_000_000_000,
    "of another clock": lambda passed_ns: 77_000_000_000 + passed_ns,
    "before 1970": lambda passed_ns: passed_ns - 100_000_000_000,
    "of bursts": lambda passed_ns: START_NS + passed_ns // 80_000_000 * 80_000_000,
}


def messages(size: int, index: str, stamp: str, channels: int = 1) -> list[AudioChunk]:
    """Return the whole sound in messages of `size` samples, all channels alike."""
    result = []
    for number, first in enumerate(range(0, len(SOUND), size)):
        samples = np.repeat(SOUND[first : first + size], channels)
        stamp_ns = STAMPS[stamp](first * 1_000_000_000 // RATE)
        result.append(
            AudioChunk(samples, RATE, channels, stamp_ns, INDICES[index](number, size), "mic")
        )
    return result


def heard(intake: MicrophoneIntake, chunks: list[AudioChunk], each: int = 1) -> np.ndarray:
    """Return the samples of all frames, as int16, each chunk arriving when it was captured.

    `each`: of how many messages the chunks are one.
    """
    frames, now_ns = [np.zeros(0, np.float32)], START_NS
    for chunk in chunks:
        now_ns += each * chunk.duration_ns
        intake.accept(chunk, now_ns)
        while (frame := intake.take(0.0)) is not None:
            frames.append(frame.samples)
    return (np.concatenate(frames) * 32768).astype(np.int16)


@pytest.mark.parametrize("index", INDICES)
def test_every_sample_is_heard_from_the_first_on(index: str) -> None:
    good = index.startswith("goes around") or index == "counts samples"
    for size, stamp in itertools.product((240, 480, 1_920), STAMPS):
        intake = MicrophoneIntake(RATE, FRAME)
        assert np.array_equal(heard(intake, messages(size, index, stamp)), SOUND), (size, stamp)
        counters = intake.snapshot()
        assert (counters.overlaps, counters.gaps, counters.restarts) == (0, 0, 0)
        assert counters.ignored_indices == (0 if good else len(SOUND) // size - 1)
        assert len(intake.notes()) == (0 if good else 1)


def test_an_index_of_all_channels_is_no_index() -> None:
    chunks = [
        AudioChunk(c.samples, RATE, 2, c.stamp_ns, 2 * (c.first_sample or 0), "mic")
        for c in messages(480, "counts samples", "of the capture", channels=2)
    ]
    intake = MicrophoneIntake(RATE, FRAME)
    assert np.array_equal(heard(intake, chunks), SOUND)
    assert "went from 0 to 960 over a message of 480 samples per channel" in intake.notes()[0]


@pytest.mark.parametrize("stamp", ["of the capture", "of zero", "of the start"])
@pytest.mark.parametrize("index", ["counts samples", "goes around at 32 bits"])
@pytest.mark.parametrize("size", [480, 1_920])
def test_messages_sent_twice_are_heard_once(size: int, index: str, stamp: str) -> None:
    twice = [chunk for chunk in messages(size, index, stamp) for _ in range(2)]
    intake = MicrophoneIntake(RATE, FRAME)
    for chunk in twice:
        intake.accept(chunk, START_NS)  # all at once: what is heard does not depend on the clock
        intake.take(0.0)
    counters = intake.snapshot()
    assert (counters.frames, counters.overlaps) == (CHUNKS, len(twice) // 2)
    assert (counters.restarts, counters.ignored_indices, intake.notes()) == (0, 0, [])


def test_silence_with_an_index_that_stands_still_is_not_taken_for_repetition() -> None:
    for stamp in STAMPS:
        intake = MicrophoneIntake(RATE, FRAME)
        silent = [
            AudioChunk(np.zeros(480, np.int16), RATE, 1, c.stamp_ns, 0, "mic")
            for c in messages(480, "stands still at 0", stamp)
        ]
        assert len(heard(intake, silent)) >= len(SOUND) - 2 * FRAME, stamp
        assert heard(intake, messages(480, "stands still at 0", stamp))[-FRAME:].any(), stamp


def test_losses_are_seen_before_the_index_has_gone_on_and_while_it_never_does() -> None:
    chunks = messages(480, "counts samples", "of the capture")[::2]
    intake = MicrophoneIntake(RATE, FRAME, IntakeLimits(conceal=False))
    track = heard(intake, chunks, each=2).reshape(-1, 480)
    assert np.array_equal(track[::2], SOUND.reshape(-1, 480)[: 2 * len(track[::2]) : 2])
    assert not track[1::2].any()
    assert intake.snapshot().gaps == len(chunks) - 1 and not intake.notes()


@pytest.mark.parametrize("size", [480, 1_920])
@pytest.mark.parametrize("stamp", ["of the capture", "of zero"])
def test_an_index_that_stops_counting_is_found_out(size: int, stamp: str) -> None:
    chunks = messages(size, "counts samples", stamp)
    half = len(chunks) // 2
    stuck = [AudioChunk(c.samples, RATE, 1, c.stamp_ns, half * size, "mic") for c in chunks[half:]]
    intake = MicrophoneIntake(RATE, FRAME)
    track = heard(intake, chunks[:half] + stuck)
    assert len(track) > len(SOUND) - 3 * FRAME
    assert SOUND.tobytes().find(track[-10 * FRAME :].tobytes()) > 2 * (len(SOUND) - 12 * FRAME)
    assert "index" in intake.notes()[0]


def test_an_index_that_begins_to_count_is_believed_again() -> None:
    chunks = messages(480, "stands still at 0", "of the capture")[:8]
    chunks += messages(480, "counts samples", "of the capture")[8:]
    intake = MicrophoneIntake(RATE, FRAME, IntakeLimits(conceal=False))
    lost = chunks.pop(20)
    track = heard(intake, chunks)
    first = lost.first_sample
    assert first is not None
    gap = slice(first, first + 480)
    assert not track[gap].any()
    assert np.array_equal(np.delete(track, gap), np.delete(SOUND, gap))


def test_a_publisher_that_starts_again_is_told_anew_and_heard() -> None:
    intake = MicrophoneIntake(RATE, FRAME, IntakeLimits(source_timeout_s=0.5))
    heard(intake, messages(480, "stands still at 0", "of zero"))
    again = [
        AudioChunk(c.samples, RATE, 1, c.stamp_ns, c.first_sample, "mic again")
        for c in messages(480, "counts samples", "of the capture")
    ]
    now_ns = START_NS + 10_000_000_000
    for chunk in again:
        intake.accept(chunk, now_ns)
    assert intake.snapshot().source_changes == 1 and intake.notes() == []
