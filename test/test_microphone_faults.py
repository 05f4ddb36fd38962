"""The microphone intake with faulty input: each fault has its result, its count and its words."""

from __future__ import annotations

import re
from dataclasses import asdict, replace

import numpy as np
import pytest

from personaplex_ros.audio import AudioChunk, ChunkLimits, IntakeLimits, MicrophoneIntake

START_NS = 1_700_000_000_000_000_000
RATE = 24_000
FRAME = 1_920
CHUNK = 480
CHUNK_NS = 20_000_000
SECOND_NS = 1_000_000_000


ZEROS = IntakeLimits(conceal=False)


def chunk_at(index: int, value: float = 0.25, **changes) -> AudioChunk:
    """Chunk number `index` of a gapless stream at the model's rate, all samples alike."""
    samples = np.full(CHUNK, value, np.float32)
    chunk = AudioChunk(samples, RATE, 1, START_NS + index * CHUNK_NS, index * CHUNK, "mic")
    return replace(chunk, **changes)


def feed(intake: MicrophoneIntake, *chunks: AudioChunk) -> np.ndarray:
    """Accept chunks as they arrive live; return the samples of the frames that came of them."""
    frames = [np.zeros(0, np.float32)]
    for chunk in chunks:
        intake.accept(chunk, chunk.stamp_ns + CHUNK_NS)
        while (frame := intake.take(0.0)) is not None:
            frames.append(frame.samples)
    return np.concatenate(frames)


def counted(intake: MicrophoneIntake) -> dict[str, int]:
    """Return the counters that are not zero, those of normal work aside."""
    normal = ("chunks", "frames", "rate", "covered_ns", "silent_ns", "spread_ms")
    counters = asdict(intake.snapshot())
    return {k: v for k, v in counters.items() if v and k not in normal}


def problem(intake: MicrophoneIntake) -> str:
    assert intake.last_problem is not None
    return intake.last_problem


@pytest.mark.parametrize(
    ("changes", "counter", "words"),
    [
        ({"samples": np.zeros(0, np.int16)}, "empty", "empty"),
        ({"samples": np.zeros(RATE + 1, np.int16)}, "oversized", "oversized: 1.00 s"),
        ({"samples": np.zeros(CHUNK, np.float64)}, "bad_format", "bad format: .* float64"),
        ({"samples": np.zeros((CHUNK, 1), np.int16)}, "bad_format", r"bad format: .*\[480, 1\]"),
        ({"channels": 0}, "bad_channels", "bad channels: .* 0 channels"),
        ({"channels": 7}, "bad_channels", "bad channels: 480 samples .* 7 channels"),
        ({"channels": 480}, "bad_channels", "1 to 32"),
        ({"rate": 0}, "bad_rate", "bad rate: 0 Hz"),
        ({"rate": 400_000}, "bad_rate", "bad rate: 400000 Hz"),
    ],
)
def test_an_unusable_chunk_is_dropped_and_the_stream_goes_on(changes, counter, words):
    intake = MicrophoneIntake(RATE, FRAME, ZEROS)
    feed(intake, chunk_at(0), chunk_at(1))
    feed(intake, chunk_at(2, **changes))
    assert counted(intake) == {counter: 1}
    assert re.search(words, problem(intake))
    # The next good chunk finds the gap that was left, and the frame is as long as ever.
    track = feed(intake, chunk_at(3))
    assert np.array_equal(track, np.repeat(np.float32([0.25, 0.25, 0.0, 0.25]), CHUNK))


def test_nan_and_infinity_become_silence():
    samples = np.full(FRAME, 0.5, np.float32)
    samples[[3, 5, 8]] = [np.nan, np.inf, -np.inf]
    intake = MicrophoneIntake(RATE, FRAME)
    track = feed(intake, chunk_at(0, samples=samples))
    assert track[[3, 5, 8]].tolist() == [0.0, 0.0, 0.0]
    assert np.count_nonzero(track == 0.5) == FRAME - 3
    assert counted(intake) == {"nan_samples": 3}
    assert "nan: 3 samples" in problem(intake)


def test_values_out_of_range_are_clipped():
    samples = np.full(FRAME, 0.5, np.float32)
    samples[[1, 2]] = [3.0, -1e30]
    intake = MicrophoneIntake(RATE, FRAME)
    track = feed(intake, chunk_at(0, samples=samples))
    assert track[[1, 2]].tolist() == [1.0, -1.0]
    assert counted(intake) == {"clipped_samples": 2}


def test_resampled_audio_stays_within_full_scale():
    square = np.tile(np.repeat(np.int16([32_767, -32_768]), 16), 500)
    intake = MicrophoneIntake(RATE, FRAME, IntakeLimits(max_backlog_frames=99))
    intake.accept(AudioChunk(square, 16_000, 1, START_NS, 0, "mic"), START_NS)
    frame = intake.take(0.0)
    assert frame is not None and np.abs(frame.samples).max() == 1.0


def test_a_short_gap_is_filled_with_silence():
    intake = MicrophoneIntake(RATE, FRAME, ZEROS)
    track = feed(intake, chunk_at(0), chunk_at(2), chunk_at(3))
    assert np.array_equal(track, np.repeat(np.float32([0.25, 0.0, 0.25, 0.25]), CHUNK))
    assert counted(intake) == {"gaps": 1, "gap_samples": CHUNK}
    assert "gap: 480 samples (0.020 s) are missing, there is silence" in problem(intake)


def test_a_gap_and_silence_in_its_place_are_not_both_paid_for():
    intake = MicrophoneIntake(RATE, FRAME)
    feed(intake, *(chunk_at(k) for k in range(4)))
    assert intake.fill().filled
    frames = feed(intake, *(chunk_at(k, 0.75) for k in range(8, 12)))
    assert np.array_equal(frames, np.full(FRAME, 0.75, np.float32))
    assert intake.snapshot().late_samples == FRAME


def test_a_long_gap_begins_a_new_stream():
    intake = MicrophoneIntake(RATE, FRAME, IntakeLimits(max_gap_fill_s=0.1))
    feed(intake, chunk_at(0), chunk_at(1))
    track = feed(intake, *(chunk_at(k, 0.5) for k in range(8, 12)))
    assert np.array_equal(track, np.full(FRAME, 0.5, np.float32))
    assert counted(intake) == {"restarts": 1, "discarded_samples": 2 * CHUNK}
    assert "gap: 0.120 s are missing" in problem(intake)


def test_a_long_gap_does_not_reach_across_the_filter_of_the_resampler():
    intake = MicrophoneIntake(RATE, FRAME)
    loud = np.full(1_280, 0.5, np.float32)
    intake.accept(AudioChunk(loud, 16_000, 1, START_NS, 0, "mic"), START_NS)
    later = AudioChunk(
        np.zeros(12_800, np.float32), 16_000, 1, START_NS + 9 * SECOND_NS, 144_000, "mic"
    )
    intake.accept(later, later.stamp_ns)
    frame = intake.take(0.0)
    assert frame is not None and not frame.samples.any()
    assert abs(frame.stamp_ns - later.stamp_ns) < SECOND_NS


def test_repeated_samples_are_dropped():
    intake = MicrophoneIntake(RATE, FRAME)
    half_old = AudioChunk(
        np.repeat(np.float32([0.9, 0.5]), [240, 240]), RATE, 1, START_NS + 30_000_000, 720, "mic"
    )
    track = feed(intake, chunk_at(0), chunk_at(1), chunk_at(1, 0.9), half_old, chunk_at(2, 0.5))
    track = np.concatenate([track, feed(intake, chunk_at(3, 0.75))])
    expected = np.repeat(np.float32([0.25, 0.25, 0.5, 0.75]), CHUNK)
    assert np.array_equal(track, expected)
    assert counted(intake) == {"overlaps": 3, "overlap_samples": CHUNK + 240 + 240}
    assert "duplicate/overlap" in problem(intake)


def test_an_old_chunk_sent_again_moves_nothing():
    intake = MicrophoneIntake(RATE, FRAME)
    track = feed(intake, *(chunk_at(k) for k in (0, 1, 2)), chunk_at(0, 0.9), chunk_at(3, 0.5))
    assert np.array_equal(track, np.repeat(np.float32([0.25, 0.25, 0.25, 0.5]), CHUNK))
    assert counted(intake) == {"overlaps": 1, "overlap_samples": CHUNK}


def test_sample_numbers_that_begin_again_begin_a_new_stream():
    intake = MicrophoneIntake(RATE, FRAME)
    feed(intake, *(chunk_at(k) for k in range(102)))
    again = [
        chunk_at(102 + k, 0.5, first_sample=k * CHUNK)  # its clock goes on, its count does not
        for k in range(4)
    ]
    assert np.array_equal(feed(intake, *again), np.full(FRAME, 0.5, np.float32))
    assert counted(intake) == {"restarts": 1, "discarded_samples": 2 * CHUNK}
    assert "sample numbers fell from 48960 to 0" in problem(intake)


@pytest.mark.parametrize("change", ["rate", "channels"])
def test_a_changed_format_begins_a_new_stream(change):
    intake = MicrophoneIntake(RATE, FRAME)
    feed(intake, chunk_at(0))
    if change == "rate":
        other = AudioChunk(
            np.full(4_000, 0.5, np.float32), 16_000, 1, START_NS + CHUNK_NS, 320, "mic"
        )
        words = "format changed: 24000 Hz x 1 to 16000 Hz x 1"
    else:
        stereo = np.tile(np.float32([1.0, 0.0]), FRAME)
        other = AudioChunk(stereo, RATE, 2, START_NS + CHUNK_NS, CHUNK, "mic")
        words = "format changed: 24000 Hz x 1 to 24000 Hz x 2"
    track = feed(intake, other)
    assert track[500 : FRAME - 500] == pytest.approx(0.5, abs=1e-3)
    assert counted(intake) == {"restarts": 1, "format_changes": 1, "discarded_samples": CHUNK}
    assert problem(intake) == words


def test_a_second_publisher_is_ignored_while_the_first_sends():
    intake = MicrophoneIntake(RATE, FRAME)
    track = np.concatenate(
        [feed(intake, chunk_at(k), chunk_at(k, 0.9, source="other")) for k in range(100)]
    )
    assert np.array_equal(track, np.full(25 * FRAME, 0.25, np.float32))
    assert counted(intake) == {"second_publisher": 100}
    assert "'other' is ignored while 'mic' sends" in problem(intake)


def test_a_second_publisher_takes_over_when_the_first_falls_silent():
    intake = MicrophoneIntake(RATE, FRAME, IntakeLimits(source_timeout_s=0.5))
    feed(intake, chunk_at(0))
    track = feed(
        intake, *(chunk_at(k, 0.9, source="other", first_sample=None) for k in range(1, 61))
    )
    # 0.5 s after the first one's last chunk: chunks 1 to 24 are ignored.
    assert np.array_equal(track, np.full(9 * FRAME, 0.9, np.float32))
    assert counted(intake) == {
        "second_publisher": 24,
        "source_changes": 1,
        "restarts": 1,
        "discarded_samples": CHUNK,
    }


def test_a_publisher_that_vanishes_and_comes_back_is_heard_again():
    intake = MicrophoneIntake(RATE, FRAME)
    feed(intake, *(chunk_at(k) for k in range(4)))
    back = [
        chunk_at(500 + k, 0.5, source="mic, second life", first_sample=k * CHUNK) for k in range(4)
    ]
    assert np.array_equal(feed(intake, *back), np.full(FRAME, 0.5, np.float32))
    assert counted(intake) == {"source_changes": 1, "restarts": 1}


def test_a_backlog_is_dropped_down_to_the_newest_frame():
    intake = MicrophoneIntake(RATE, FRAME, IntakeLimits(max_backlog_frames=3))
    for k in range(16):
        intake.accept(chunk_at(k, k // 4 / 10), START_NS)
    frame = intake.take(0.0)
    assert frame is not None and frame.stamp_ns == START_NS + 3 * 80_000_000
    assert np.array_equal(frame.samples, np.full(FRAME, 0.3, np.float32))
    assert intake.take(0.0) is None
    assert counted(intake) == {"skipped_frames": 3}
    assert "backlog dropped: 3 frames" in problem(intake)


def test_a_backlog_at_the_limit_is_kept():
    intake = MicrophoneIntake(RATE, FRAME, IntakeLimits(max_backlog_frames=3))
    for k in range(15):
        intake.accept(chunk_at(k), START_NS)
    assert intake.waiting_samples() == 15 * CHUNK
    assert counted(intake) == {}


def test_late_stamps_without_sample_numbers_begin_a_new_stream():
    intake = MicrophoneIntake(RATE, FRAME)
    feed(intake, chunk_at(0, first_sample=None))
    feed(intake, chunk_at(1, first_sample=None, stamp_ns=START_NS + 150_000_000))  # jitter
    assert counted(intake) == {}
    feed(intake, chunk_at(2, first_sample=None, stamp_ns=START_NS + SECOND_NS))
    assert counted(intake) == {"restarts": 1, "discarded_samples": 2 * CHUNK}


def test_a_clock_that_is_set_changes_stamps_only():
    intake = MicrophoneIntake(RATE, FRAME)
    shift_ns = -3_600 * SECOND_NS
    chunks = [chunk_at(k, stamp_ns=START_NS + k * CHUNK_NS + (k >= 4) * shift_ns) for k in range(8)]
    for chunk in chunks:
        intake.accept(chunk, START_NS)
    frames = [intake.take(0.0), intake.take(0.0)]
    assert [frame.stamp_ns for frame in frames if frame] == [
        START_NS,
        START_NS + 80_000_000 + shift_ns,
    ]
    assert counted(intake) == {"stamp_jumps": 1}


def test_a_clock_set_back_after_a_loss_costs_no_audio():
    intake = MicrophoneIntake(RATE, FRAME)
    feed(intake, *(chunk_at(k) for k in range(4)))
    assert intake.fill().filled and intake.fill().filled
    # The two frames are lost for good; what follows is captured later, then the clock is set back.
    after = [chunk_at(12 + k, 0.5, first_sample=1_920 + k * CHUNK) for k in range(4)]
    after += [replace(chunk_at(16 + k, 0.5), first_sample=3_840 + k * CHUNK) for k in range(4)]
    back = [replace(c, stamp_ns=c.stamp_ns - 3_600 * SECOND_NS) for c in after[4:]]
    assert np.array_equal(feed(intake, *after[:4], *back), np.full(2 * FRAME, 0.5, np.float32))
    assert intake.snapshot().late_samples == 0


def test_the_limits_of_a_chunk_can_be_set():
    limits = IntakeLimits(chunk=ChunkLimits(max_chunk_s=0.01))
    intake = MicrophoneIntake(RATE, FRAME, limits)
    feed(intake, chunk_at(0))
    assert counted(intake) == {"oversized": 1}
    with pytest.raises(ValueError, match="max_chunk_s"):
        ChunkLimits(max_chunk_s=0.0)


def test_garbage_of_every_kind_keeps_the_intake_bounded_and_alive():
    rng = np.random.default_rng(5)
    intake = MicrophoneIntake(RATE, FRAME)
    now_ns = START_NS
    for _ in range(3_000):
        now_ns += int(rng.integers(-50_000_000, 80_000_000))
        count = int(rng.integers(0, 3_000))
        samples = (rng.standard_normal(count) * 10 ** rng.uniform(-3, 37)).astype(np.float32)
        if rng.random() < 0.5:
            samples = rng.integers(-32_768, 32_767, count, dtype=np.int16)
        elif count and rng.random() < 0.3:
            samples[rng.integers(0, count)] = np.nan
        chunk = AudioChunk(
            samples,
            int(rng.choice([0, 8_000, 16_000, 44_100, 48_000, 2**31])),
            int(rng.integers(0, 4)),
            int(rng.choice([0, now_ns, now_ns + rng.integers(-(10**12), 10**12)])),
            None if rng.random() < 0.3 else int(rng.choice([0, 2**64 - 1, rng.integers(0, 10**6)])),
            str(rng.integers(0, 2)),
        )
        intake.accept(chunk, now_ns)
        if rng.random() < 0.3:
            frame = intake.take(0.0) or intake.fill(now_ns)
            assert frame.samples.shape == (FRAME,) and np.abs(frame.samples).max() <= 1.0
        assert intake.waiting_samples() <= 5 * FRAME
    counters = intake.snapshot()
    assert min(counters.chunks, counters.restarts, counters.bad_rate, counters.skipped_frames) > 0
