"""The microphone intake with good input: samples, times, pace, and what late audio does."""

from __future__ import annotations

import threading
import time
from itertools import pairwise

import numpy as np
import pytest

from personaplex_ros.audio import AudioChunk, IntakeCounters, IntakeLimits, MicrophoneIntake

START_NS = 1_700_000_000_000_000_000
FRAME = 1_920
FRAME_NS = 80_000_000


def chunks_of(samples, rate, size, *, channels=1, start_ns=START_NS, first=0, source="mic"):
    """Cut samples [n * channels] into chunks of `size` samples with exact capture stamps."""
    for begin in range(0, len(samples) // channels, size):
        block = samples[begin * channels : (begin + size) * channels]
        stamp_ns = start_ns + begin * 1_000_000_000 // rate
        yield AudioChunk(block, rate, channels, stamp_ns, first + begin, source)


def feed(intake, chunks):
    """Push chunks as they would arrive live; return the frames that came of them."""
    frames = []
    for chunk in chunks:
        intake.accept(chunk, chunk.stamp_ns + chunk.duration_ns)
        while (frame := intake.take(0.0)) is not None:
            frames.append(frame)
    return frames


def noise(count, seed=0):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, count).astype(np.float32)


def test_at_the_models_rate_samples_and_stamps_pass_exactly():
    samples = noise(10 * FRAME + 100)
    intake = MicrophoneIntake(24_000, FRAME)
    frames = feed(intake, chunks_of(samples, 24_000, 512))
    assert np.array_equal(
        np.concatenate([frame.samples for frame in frames]), samples[: 10 * FRAME]
    )
    due = [START_NS + k * FRAME_NS for k in range(10)]
    # Chunks of 512 samples have stamps cut to whole nanoseconds.
    assert max(abs(frame.stamp_ns - at) for frame, at in zip(frames, due, strict=True)) <= 1
    assert not any(frame.filled for frame in frames)
    assert intake.waiting_samples() == 100
    covered_ns = 37 * (512 * 10**9 // 24_000) + 356 * 10**9 // 24_000  # the last has 356 samples
    assert intake.snapshot() == IntakeCounters(
        chunks=38, frames=10, rate=24_000, covered_ns=covered_ns
    )
    assert intake.last_problem is None


@pytest.mark.parametrize("rate", [16_000, 48_000, 44_100])
@pytest.mark.parametrize("size_s", [0.004, 0.032, 0.25])
def test_an_impulse_appears_at_the_time_of_its_capture(rate, size_s):
    samples = np.zeros(2 * rate, np.float32)
    impulses_s = [0.0125, 0.4, 0.7777, 1.35]
    for at_s in impulses_s:
        samples[round(at_s * rate)] = 0.9
    intake = MicrophoneIntake(24_000, FRAME, IntakeLimits(max_backlog_frames=10))
    frames = feed(intake, chunks_of(samples, rate, round(size_s * rate)))
    track = np.concatenate([frame.samples for frame in frames])
    for at_s in impulses_s:
        index = round(at_s * 24_000)
        near = slice(max(0, index - 240), index + 240)
        peak = near.start + int(np.abs(track[near]).argmax())
        frame = frames[peak // FRAME]
        seen_ns = frame.stamp_ns + peak % FRAME * 1_000_000_000 // 24_000
        assert abs(track[peak]) > 0.2
        assert seen_ns - START_NS == pytest.approx(at_s * 1e9, abs=0.2e6)


def test_stamps_follow_a_capture_clock_that_drifts():
    # 48 kHz nominal, 47995.2 Hz in truth (100 ppm slow): 6 ms after one minute.
    samples = np.zeros(60 * 48_000, np.float32)
    intake = MicrophoneIntake(24_000, FRAME)
    slow = (
        AudioChunk(
            chunk.samples, 48_000, 1, START_NS + round(k * 480 / 47_995.2e-9), k * 480, "mic"
        )
        for k, chunk in enumerate(chunks_of(samples, 48_000, 480))
    )
    frames = feed(intake, slow)
    for index, frame in enumerate(frames):
        assert frame.stamp_ns - START_NS == pytest.approx(index * 3_840 / 47_995.2e-9, abs=0.1e6)


@pytest.mark.parametrize("ppm", [200, -200])
def test_stamps_that_run_apart_from_the_wall_clock_lose_and_fill_nothing(ppm):
    # As after a day: 17 s apart, and going on so. Arrivals keep to the wall clock.
    intake = MicrophoneIntake(24_000, FRAME)
    apart_ns = ppm * 86_400_000
    block = noise(FRAME)
    for k in range(3_000):
        stamp_ns = START_NS + apart_ns + k * FRAME_NS + k * FRAME_NS * ppm // 1_000_000
        held_up = k % 500 == 250
        if held_up:  # the line stands still, and what is replaced comes later
            frame = intake.fill(START_NS + (k + 1) * FRAME_NS)
            assert frame.filled and abs(frame.stamp_ns - stamp_ns) <= FRAME_NS // 1_000
        chunk = AudioChunk(block, 24_000, 1, stamp_ns, k * FRAME, "mic")
        intake.accept(chunk, START_NS + (k + 1) * FRAME_NS)
        frame = intake.take(0.0)
        assert held_up or abs(frame.stamp_ns - stamp_ns) <= FRAME_NS // 100
    counters = intake.snapshot()
    assert counters.filled_frames == 6 and counters.late_samples >= 6 * (FRAME - 1)
    assert counters.gaps == counters.restarts == counters.stamp_jumps == 0


def test_channels_are_averaged_and_int16_is_scaled():
    stereo = np.tile(np.array([16_384, 0], np.int16), FRAME)
    (frame,) = feed(MicrophoneIntake(24_000, FRAME), chunks_of(stereo, 24_000, 960, channels=2))
    assert frame.samples.dtype == np.float32
    assert np.array_equal(frame.samples, np.full(FRAME, 0.25, np.float32))


def test_a_codec_of_another_size_is_served():
    intake = MicrophoneIntake(12_000, 480)
    frames = feed(intake, chunks_of(noise(12_000), 12_000, 240))
    assert len(frames) == 25
    assert [b.stamp_ns - a.stamp_ns for a, b in pairwise(frames)] == [40_000_000] * 24


def test_an_unknown_stamp_is_replaced_by_the_time_of_arrival():
    intake = MicrophoneIntake(24_000, FRAME)
    intake.accept(AudioChunk(noise(FRAME), 24_000, 1, 0, None, "mic"), START_NS)
    frame = intake.take(0.0)
    assert frame is not None and frame.stamp_ns == START_NS - FRAME_NS


def test_taking_waits_for_another_thread_and_gives_up_in_time():
    intake = MicrophoneIntake(24_000, FRAME)
    begin = time.monotonic()
    assert intake.take(0.05) is None
    assert 0.04 < time.monotonic() - begin < 1.0
    chunk = next(iter(chunks_of(noise(FRAME), 24_000, FRAME)))
    timer = threading.Timer(0.05, intake.accept, (chunk, START_NS))
    timer.start()
    frame = intake.take(5.0)
    assert frame is not None and time.monotonic() - begin < 2.0


def test_many_threads_may_deliver():
    intake = MicrophoneIntake(24_000, FRAME, IntakeLimits(max_backlog_frames=1_000))
    chunks = [AudioChunk(noise(480), 24_000, 1, START_NS, None, "mic") for _ in range(400)]
    threads = [
        threading.Thread(target=lambda k=k: [intake.accept(c, START_NS) for c in chunks[k::4]])
        for k in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert intake.waiting_samples() == 400 * 480
    assert intake.snapshot().chunks == 400


def test_silence_in_place_of_late_audio_does_not_delay_the_rest():
    ramp = (np.arange(6 * FRAME) / (8 * FRAME)).astype(np.float32)
    chunks = list(chunks_of(ramp, 24_000, 480))
    intake = MicrophoneIntake(24_000, FRAME)
    first = feed(intake, chunks[:6])  # one frame and half of the next
    fills = [intake.fill(), intake.fill()]
    late = feed(intake, chunks[6:])
    assert [frame.filled for frame in [*first, *fills, *late]] == [False, True, True] + [False] * 3
    assert not any(fill.samples.any() for fill in fills)
    stamps = [frame.stamp_ns for frame in [*first, *fills, *late]]
    assert stamps == [START_NS + k * FRAME_NS for k in range(6)]
    assert np.array_equal(np.concatenate([frame.samples for frame in late]), ramp[3 * FRAME :])
    assert intake.snapshot().late_samples == 2 * FRAME
    assert intake.snapshot().filled_frames == 2


def test_silence_in_place_of_lost_audio_costs_no_later_audio():
    samples = noise(6 * FRAME)
    chunks = list(chunks_of(samples, 24_000, FRAME))
    intake = MicrophoneIntake(24_000, FRAME)
    first = feed(intake, chunks[:1])
    fills = [intake.fill(), intake.fill()]
    # Without sample numbers only the stamps tell that two frames were lost and none is late.
    rest = feed(
        intake, [AudioChunk(c.samples, 24_000, 1, c.stamp_ns, None, "mic") for c in chunks[3:]]
    )
    stamps = [frame.stamp_ns for frame in [*first, *fills, *rest]]
    assert stamps == [START_NS + k * FRAME_NS for k in range(6)]
    assert intake.snapshot().late_samples == 0


def test_silence_before_any_audio_counts_on_from_now():
    intake = MicrophoneIntake(24_000, FRAME)
    stamps = [intake.fill(START_NS + late).stamp_ns for late in (0, 123, 456)]
    assert stamps == [START_NS, START_NS + FRAME_NS, START_NS + 2 * FRAME_NS]


def test_a_frame_that_came_just_now_is_preferred_to_silence():
    intake = MicrophoneIntake(24_000, FRAME)
    intake.accept(next(iter(chunks_of(noise(FRAME), 24_000, FRAME))), START_NS)
    assert not intake.fill().filled
    assert intake.snapshot().filled_frames == 0


def test_clearing_forgets_what_waits_and_keeps_the_counts():
    intake = MicrophoneIntake(24_000, FRAME)
    intake.accept(next(iter(chunks_of(noise(FRAME + 10), 24_000, FRAME + 10))), START_NS)
    intake.clear()
    assert intake.waiting_samples() == 0
    assert intake.take(0.0) is None
    frames = feed(intake, chunks_of(noise(FRAME), 24_000, FRAME, source="other", first=77))
    assert len(frames) == 1
    counters = intake.snapshot()
    assert (counters.frames, counters.restarts, counters.gaps) == (2, 0, 0)


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_one_frame_costs_well_under_a_millisecond(rate):
    intake = MicrophoneIntake(24_000, FRAME)
    pcm = (noise(20 * rate) * 32_767).astype(np.int16)
    spent = []
    for chunk in chunks_of(pcm, rate, rate * 80 // 1_000):
        begin = time.perf_counter()
        intake.accept(chunk, chunk.stamp_ns)
        intake.take(0.0)
        spent.append(time.perf_counter() - begin)
    assert np.median(spent) < 0.8e-3


def test_memory_stays_flat_over_an_hour_of_audio():
    intake = MicrophoneIntake(24_000, FRAME)
    pcm = np.zeros(16_000, np.int16)
    for second in range(3_600):
        stamp_ns = START_NS + second * 1_000_000_000
        intake.accept(AudioChunk(pcm, 16_000, 1, stamp_ns, second * 16_000, "mic"), stamp_ns)
    framer = intake._framer
    assert intake.waiting_samples() <= 5 * FRAME
    assert framer is not None and len(framer._anchors) <= 3


def test_impossible_sizes_are_refused():
    with pytest.raises(ValueError, match="frame_size"):
        MicrophoneIntake(24_000, 0)
    with pytest.raises(ValueError, match="max_backlog_frames"):
        IntakeLimits(max_backlog_frames=0)
    with pytest.raises(ValueError, match="source_timeout_s"):
        IntakeLimits(source_timeout_s=0.0)
