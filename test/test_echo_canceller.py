"""The robot's own sound in its microphone: when it comes, that it is taken out, what is left."""

from __future__ import annotations

import sys
from itertools import pairwise

import numpy as np
import pytest
from echo_support import FRAME, RATE, decibels, echo_of, frames, speech

from personaplex_ros.audio import resample
from personaplex_ros.audio.echo import DelayTracker, EchoCanceller, Processing, Reference
from personaplex_ros.audio.echo.chooser import LOUDER_DB, Chooser
from personaplex_ros.audio.echo.linear import LinearCanceller

START_NS = 1_700_000_000_000_000_000


def cancelled(
    canceller: EchoCanceller, played: np.ndarray, heard: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return what is left of the second half of what is heard: suppressed, and for the model."""
    clean, for_model = [], []
    for first, out, back in frames(played, heard):
        stamp_ns = START_NS + first * 1_000_000_000 // RATE
        canceller.reference.played(out, RATE, stamp_ns)
        frame = canceller.process(back, stamp_ns)
        clean.append(frame.clean)
        for_model.append(frame.for_model)
    half = len(played) // 2
    return np.concatenate(clean)[half:], np.concatenate(for_model)[half:]


def cancel(canceller: EchoCanceller, played: np.ndarray, heard: np.ndarray) -> np.ndarray:
    """Return what is left of the second half of what is heard."""
    return cancelled(canceller, played, heard)[0]


@pytest.mark.parametrize("drift_ppm", [-200.0, 0.0, 200.0])
@pytest.mark.parametrize("delay_s", [0.02, 0.5])
def test_the_delay_is_known_within_a_millisecond_whatever_drifts(delay_s, drift_ppm):
    played = speech(16.0)
    heard = echo_of(played, delay_s, drift_ppm, rt60_s=0.8)
    tracker = DelayTracker(RATE, FRAME)
    found = 0
    for first, out, back in frames(played, heard):
        tracker.push(out, back)
        now_s = (first + FRAME) / RATE
        if tracker.delay is not None and now_s > 6.0:
            truth_s = delay_s - drift_ppm * 1e-6 * now_s
            assert abs(tracker.delay.delay_s - truth_s) < 0.001
            found += 1
    assert found > 100
    assert abs(tracker.delay.pace + drift_ppm * 1e-6) < 60e-6


def test_a_leap_of_the_delay_is_followed():
    played = speech(13.0)
    heard = np.concatenate((echo_of(played, 0.1)[: 6 * RATE], echo_of(played, 0.25)[6 * RATE :]))
    tracker = DelayTracker(RATE, FRAME)
    for _, out, back in frames(played, heard):
        tracker.push(out, back)
    assert abs(tracker.delay.delay_s - 0.25) < 0.001


def test_nothing_is_found_where_nothing_comes_back():
    played, person = speech(8.0), speech(24.0)[-8 * RATE :]
    tracker = DelayTracker(RATE, FRAME)
    for _, out, back in frames(played, person):
        tracker.push(out, back)
    assert tracker.delay is None


@pytest.mark.parametrize("drift_ppm", [0.0, 200.0])
def test_thirty_decibels_of_the_echo_are_taken_out(drift_ppm):
    pytest.importorskip("livekit")
    played = speech(16.0)
    heard = echo_of(played, 0.12, drift_ppm)
    canceller = EchoCanceller(RATE, FRAME, Processing())
    for left in cancelled(canceller, played, heard):
        assert decibels(np.mean(heard[len(heard) // 2 :] ** 2) / np.mean(left**2)) >= 30.0
    assert abs(canceller.path.drift_ppm + drift_ppm) < 5.0


def test_a_person_passes_with_ten_milliseconds_of_delay():
    pytest.importorskip("livekit")
    person = speech(8.0)
    heard = cancel(EchoCanceller(RATE, FRAME, Processing()), np.zeros_like(person), person)
    reference = person[len(person) // 2 :]
    size = 2 * len(reference)
    product = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(reference, size))
    delay_s = np.argmax(np.fft.irfft(product, size)[:RATE]) / RATE
    assert delay_s <= 0.010
    assert abs(10 * np.log10(np.mean(heard**2) / np.mean(reference**2))) < 1.5


@pytest.mark.parametrize("gain", [1.0, 2.0])
def test_who_speaks_over_the_robot_reaches_the_model_as_they_are(gain):
    pytest.importorskip("livekit")
    played = speech(20.0)
    person = np.zeros_like(played)
    said = speech(24.0)[::-1][: 3 * RATE]
    person[12 * RATE : 15 * RATE] = said
    back = gain * echo_of(played, 0.12)
    noise = 3e-4 * np.random.default_rng(0).standard_normal(len(played)).astype(np.float32)
    streams = cancelled(
        EchoCanceller(RATE, FRAME, Processing()), played, np.clip(back + person + noise, -1, 1)
    )
    late = person[len(person) // 2 - RATE // 100 :][: len(streams[0])]
    part = slice(2 * RATE, 5 * RATE)
    suppressed, for_model = (
        decibels(np.mean(late[part] ** 2) / np.mean((late[part] - stream[part]) ** 2))
        for stream in streams
    )
    assert for_model >= 12.0 and for_model >= suppressed + 6.0


def test_a_filter_knows_how_loud_that_is_which_it_leaves():
    played = speech(20.0)
    heard = 10 * echo_of(0.1 * played, 0.02)  # of a loudspeaker that hardly distorts
    canceller, told, left = LinearCanceller(FRAME), [], []
    for number, (_, out, back) in enumerate(frames(played, heard)):
        remains = canceller.process(back, out, 0.0)
        if number >= 125:
            told.append(decibels(canceller.residual))
            left.append(decibels(float(np.mean(remains**2))))
    over_db = np.subtract(left, told)
    assert abs(np.median(over_db)) <= 5.0 and np.mean(over_db > LOUDER_DB) <= 0.02
    assert decibels(np.mean(heard[10 * RATE :] ** 2)) - np.median(told) >= 20.0


def test_one_stage_follows_the_other_without_a_step():
    time = np.arange(40 * FRAME) / RATE
    tone = (0.1 * np.sin(2 * np.pi * 400 * time)).astype(np.float32)
    late = np.pad(tone, (RATE // 100, 0))[: len(tone)]
    chooser, heard = Chooser(RATE, FRAME), []
    for number, (_, filtered, suppressed) in enumerate(frames(tone + 0.2, 0.5 * late)):
        left = None if number % 20 < 5 else 1.0 if number % 20 < 15 else 1e-3
        heard.append(chooser.choose(suppressed, filtered, left))
    sound = np.concatenate(heard)[FRAME:]
    # A tone of 400 Hz moves by 0.0105 a sample at most; direct current is gone.
    assert np.abs(np.diff(sound)).max() < 0.011
    loud = [float(np.sqrt(2 * np.mean(frame**2))) for frame in heard]
    assert all(abs(level - 0.05) < 1e-3 for level in loud[1:15] + loud[21:35])
    assert all(abs(level - 0.1) < 1e-3 for level in loud[16:20] + loud[36:40])


def test_a_person_is_listened_to_between_words_too():
    chooser = Chooser(RATE, FRAME)
    zero, quiet, loud = (np.full(FRAME, a, np.float32) for a in (0.0, 0.01, 0.1))
    tones = [np.sin(np.arange(FRAME) / 9).astype(np.float32) * sound for sound in (quiet, loud)]
    heard = [chooser.choose(zero, tones[number == 3], 1e-4).any() for number in range(12)]
    assert heard == [False] * 3 + [True] * 7 + [False] * 2


def test_what_a_sound_card_plays_at_its_own_rate_is_found_where_it_was_played():
    sound = speech(2.0)
    reference = Reference(RATE)
    at_card = resample(sound, RATE, 48_000)
    rng = np.random.default_rng(0)
    for first in range(0, len(at_card) - 480, 480):
        jitter_ns = int(rng.normal(0.0, 2e6))
        stamp_ns = START_NS + first * 1_000_000_000 // 48_000 + jitter_ns
        reference.played(at_card[first : first + 480], 48_000, stamp_ns)
    reference.take()
    begin = reference.index_at(START_NS + 1_000_000_000)
    assert abs(begin - RATE) < 0.002 * RATE  # as sure as the stamps are
    part = reference.read(RATE, FRAME)
    errors = [
        np.mean((part - sound[RATE - shift : RATE - shift + FRAME]) ** 2) for shift in range(4)
    ]
    assert min(errors) < 0.1 * np.mean(part**2)  # the resampler is within 0.11 ms


def test_a_gap_in_what_is_played_is_silence_and_nothing_moves():
    sound = speech(1.0)
    reference = Reference(RATE)
    half = RATE // 2
    reference.played(sound[:half], RATE, START_NS)
    reference.played(sound[half:], RATE, START_NS + 700_000_000)
    reference.take()
    assert reference.leaps == 1
    assert not reference.read(half, RATE // 5).any()
    assert np.array_equal(reference.read(half + RATE // 5, FRAME), sound[half : half + FRAME])


def test_between_samples_the_reference_runs_at_any_pace():
    reference = Reference(RATE)
    time = np.arange(RATE) / RATE
    reference.played(np.sin(2 * np.pi * 3000 * time).astype(np.float32), RATE, START_NS)
    reference.take()
    for pace in (0.9998, 1.0, 1.0002):
        at = 5000.3 + pace * np.arange(FRAME)
        wanted = np.sin(2 * np.pi * 3000 * at / RATE)
        assert np.max(np.abs(reference.between(5000.3, FRAME, pace) - wanted)) < 2e-3


def test_clocks_that_drift_for_hours_keep_their_echo():
    """The counts of both come as far apart as the clocks; the echo stays where it is."""
    pace, played = 1.0 + 400e-6, speech(60.0)
    heard = echo_of(played, 0.1, 1e6 * (pace - 1.0))
    canceller = EchoCanceller(RATE, FRAME, None)
    for first, out, back in frames(played, heard):
        stamp_ns = START_NS + first * 1_000_000_000 // RATE
        canceller.reference.played(out, RATE, START_NS + round(first * 1e9 / RATE / pace))
        canceller.process(back, stamp_ns)
    assert abs(canceller.path.delay_s - 0.1) < 0.005


def test_a_missing_library_is_told_with_the_remedy_and_the_echo_is_subtracted(monkeypatch):
    monkeypatch.setitem(sys.modules, "livekit", None)
    canceller = EchoCanceller(RATE, FRAME, Processing())
    assert "pip install livekit" in canceller.missing and canceller.cancelling
    played = speech(16.0)
    heard = echo_of(played, 0.12)
    left = cancel(canceller, played, heard)
    assert decibels(np.mean(heard[len(heard) // 2 :] ** 2) / np.mean(left**2)) >= 20.0


def test_who_speaks_over_the_robot_stays_where_nothing_comes_back():
    pytest.importorskip("livekit")
    played, person = speech(16.0), speech(40.0)[-16 * RATE :]
    heard = cancel(EchoCanceller(RATE, FRAME, Processing()), played, person)
    assert abs(decibels(np.mean(heard**2) / np.mean(person[len(person) // 2 :] ** 2))) < 1.0


def test_who_speaks_over_the_robot_stays_where_it_is_heard_as_loud():
    pytest.importorskip("livekit")
    played = speech(16.0)
    echo = echo_of(played, 0.12, 200.0)
    person = np.where(np.arange(len(echo)) < 8 * RATE, 0.0, speech(40.0)[-16 * RATE :])
    person *= np.sqrt(np.mean(echo**2) / np.mean(person[8 * RATE :] ** 2))
    left = cancel(EchoCanceller(RATE, FRAME, Processing()), played, (echo + person).astype("f4"))
    assert abs(decibels(np.mean(left**2) / np.mean(person[8 * RATE :] ** 2))) < 3.0


def test_the_pace_of_the_reference_makes_no_clicks():
    tone = np.sin(2 * np.pi * 440 * np.arange(4 * RATE) / RATE).astype(np.float32)
    reference = Reference(RATE)
    reference.played(tone, RATE, START_NS)
    reference.take()
    at, parts = 6000.0, []
    for _ in range(20):
        parts.append(reference.between(at, FRAME, 1.0003))
        at += 1.0003 * FRAME
    steps = np.abs(np.diff(np.concatenate(parts)))
    assert all(step < 2 * np.pi * 440 / RATE * 1.01 for step in steps)
    assert len(list(pairwise(parts))) == 19
