"""Voice activity: the speech detector against the public one, the level detector against truth."""

from __future__ import annotations

import json
import time
import warnings
from itertools import pairwise

import numpy as np
import pytest
import silero_vad
import soxr
import torch

from personaplex_ros.audio import read_wave
from personaplex_ros.resources import share_directory
from personaplex_ros.turns import LevelActivity, SpeechActivity

RATE, FRAME = 24_000, 1_920
DEMO = share_directory() / "config" / "demo"


@pytest.fixture(scope="module")
def caller() -> np.ndarray:
    """Return recorded speech with pauses, float32 [n] at 24 kHz."""
    content = read_wave(DEMO / "caller.wav")
    assert content.rate == RATE
    return content.samples[:, 0]


@pytest.fixture(scope="module")
def turns() -> list[dict]:
    """When each utterance of the caller begins and ends."""
    return json.loads((DEMO / "caller.json").read_text())


def windows(detector, samples: np.ndarray, frame_size: int) -> list[tuple[int, int, float]]:
    """Return begin, end (in samples of the stream) and probability of every window."""
    found = []
    for first in range(0, len(samples) - frame_size + 1, frame_size):
        for activity in detector.push(samples[first : first + frame_size]):
            begin = first + activity.offset_samples
            found.append((begin, begin + activity.length_samples, activity.probability))
    return found


def official_probabilities(samples: np.ndarray, rate: int) -> list[float]:
    """Silero's own model over a signal resampled as a whole."""
    audio = torch.from_numpy(soxr.resample(samples, rate, 16_000, quality="VHQ"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        model = silero_vad.load_silero_vad()
    with torch.inference_mode():
        return [float(model(block, 16_000)) for block in audio.split(512) if len(block) == 512]


@pytest.mark.parametrize(("rate", "frame_size"), [(24_000, 1_920), (16_000, 1_280), (12_000, 500)])
def test_the_stream_gives_the_probabilities_of_the_whole(caller, rate, frame_size):
    samples = soxr.resample(caller[: 12 * RATE], RATE, rate)
    ours = windows(SpeechActivity(rate, frame_size), samples, frame_size)
    theirs = official_probabilities(samples, rate)
    assert 0 <= len(theirs) - len(ours) <= 4
    difference = np.abs([ours[k][2] - theirs[k] for k in range(len(ours))])
    assert np.mean(difference) < 0.01
    assert np.quantile(difference, 0.99) < 0.1  # where speech begins, a window may be on the edge
    assert max(theirs) > 0.9 and min(theirs) < 0.1


def test_windows_join_without_a_seam_at_the_time_of_their_samples(caller):
    found = windows(SpeechActivity(RATE, FRAME), caller[: 4 * RATE], FRAME)
    assert found[0][0] == 0
    assert all(end == begin for (_, end, _), (begin, _, _) in pairwise(found))
    assert {end - begin for begin, end, _ in found} == {768}


def test_windows_of_an_odd_rate_do_not_drift():
    rate, frame_size = 22_050, 1_764
    found = windows(SpeechActivity(rate, frame_size), np.zeros(10 * rate, np.float32), frame_size)
    for index, (begin, _, _) in enumerate(found):
        assert abs(begin - index * 512 * rate / 16_000) <= 0.5


def test_speech_is_found_where_it_is(caller, turns):
    found = windows(SpeechActivity(RATE, FRAME), caller, FRAME)
    truth = [(turn["start_s"], turn["end_s"]) for turn in turns]
    for begin_s, end_s in truth:
        inside = [p for begin, end, p in found if begin_s * RATE <= begin and end <= end_s * RATE]
        # The longest utterance holds a pause of a third of a second.
        assert np.mean(np.array(inside) > 0.5) > 0.8
    outside = [
        p
        for begin, end, p in found
        if all(
            end < (begin_s - 0.1) * RATE or begin > (end_s + 0.15) * RATE
            for begin_s, end_s in truth
        )
    ]
    assert len(outside) > 100
    assert max(outside) < 0.35


@pytest.mark.parametrize("kind", ["silence", "white noise", "hum", "clicks"])
def test_what_is_no_speech_is_not_taken_for_it(kind):
    rng = np.random.default_rng(0)
    count = 6 * RATE
    signal = {
        "silence": np.zeros(count),
        "white noise": 0.05 * rng.standard_normal(count),
        "hum": 0.1 * np.sign(np.sin(2 * np.pi * 50 * np.arange(count) / RATE)),
        "clicks": 0.9 * (rng.random(count) < 5 / RATE),
    }[kind].astype(np.float32)
    assert max(p for _, _, p in windows(SpeechActivity(RATE, FRAME), signal, FRAME)) < 0.5


def test_two_detectors_do_not_hear_each_other(caller):
    speech = caller[: 4 * RATE]
    alone = windows(SpeechActivity(RATE, FRAME), speech, FRAME)
    one, other = SpeechActivity(RATE, FRAME), SpeechActivity(RATE, FRAME)
    together = []
    for first in range(0, len(speech) - FRAME + 1, FRAME):
        for activity in one.push(speech[first : first + FRAME]):
            together.append(activity.probability)
        other.push(speech[::-1][first : first + FRAME].copy())
    assert together == [p for _, _, p in alone]


def test_a_reset_detector_is_as_good_as_new(caller):
    speech = caller[RATE : 3 * RATE]
    detector = SpeechActivity(RATE, FRAME)
    first = windows(detector, speech, FRAME)
    detector.reset()
    assert windows(detector, speech, FRAME) == first


def test_a_refreshed_detector_goes_on_at_the_same_place(caller):
    detector = SpeechActivity(RATE, FRAME)
    for _ in range(12):
        detector.push(np.zeros(FRAME, np.float32))
    assert detector.quiet_s == pytest.approx(0.96, abs=0.04)
    before = detector.push(np.zeros(FRAME, np.float32))
    detector.refresh()
    assert detector.quiet_s == 0.0
    after = detector.push(np.zeros(FRAME, np.float32))
    last, first = before[-1], after[0]
    assert first.offset_samples == last.offset_samples + last.length_samples - FRAME


def test_loading_leaves_the_threads_of_the_process_alone():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        SpeechActivity(RATE, FRAME)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_frame_takes_a_small_part_of_its_time(caller):
    detector = SpeechActivity(RATE, FRAME)
    spent = []
    for first in range(0, 8 * RATE, FRAME):
        begin = time.perf_counter()
        detector.push(caller[first : first + FRAME])
        spent.append(time.perf_counter() - begin)
    assert np.median(spent) < 8e-3


@pytest.mark.parametrize("window_s", [0.01, 0.02])
def test_the_level_of_a_burst_gives_its_begin_and_end(window_s):
    signal = np.zeros(3 * RATE, np.float32)
    signal[24_240:48_480] = 0.1 * np.sin(2 * np.pi * 300 * np.arange(24_240) / RATE)
    found = windows(LevelActivity(RATE, FRAME, window_s=window_s), signal, FRAME)
    active = [(begin, end) for begin, end, p in found if p == 1.0]
    assert {p for _, _, p in found} == {0.0, 1.0}
    assert abs(active[0][0] - 24_240) < window_s * RATE
    assert abs(active[-1][1] - 48_480) < window_s * RATE
    assert len(active) == pytest.approx(1.01 / window_s, abs=1)


def test_the_thresholds_are_levels_with_hysteresis():
    def tone(dbfs: float) -> np.ndarray:
        # RMS 1.0 is 0 dBFS, so a square wave of amplitude a has 20 log a.
        return np.tile(np.float32([1, -1]), FRAME // 2) * np.float32(10 ** (dbfs / 20))

    detector = LevelActivity(RATE, FRAME, on_dbfs=-40.0, off_dbfs=-46.0)
    levels = [-60.0, -40.1, -39.9, -45.9, -46.1, -45.9, -40.1, -39.9]
    seen = [{activity.probability for activity in detector.push(tone(db))} for db in levels]
    assert seen == [{0.0}, {0.0}, {1.0}, {1.0}, {0.0}, {0.0}, {0.0}, {1.0}]
    detector.reset()
    assert detector.push(tone(-45.0))[0].probability == 0.0


def test_frames_that_are_no_multiple_of_the_window_lose_nothing():
    signal = np.zeros(RATE, np.float32)
    signal[5_000:9_000] = 0.5
    found = windows(LevelActivity(RATE, 700, window_s=0.01), signal, 700)
    assert all(end == begin for (_, end, _), (begin, _, _) in pairwise(found))
    active = [(begin, end) for begin, end, p in found if p]
    assert (active[0][0], active[-1][1]) == (4_800, 9_120)


def test_frames_of_another_size_or_type_are_refused():
    for detector in (LevelActivity(RATE, FRAME), SpeechActivity(RATE, FRAME)):
        with pytest.raises(ValueError, match=r"float32 \[1920\], got float32 \[1919\]"):
            detector.push(np.zeros(1_919, np.float32))
        with pytest.raises(ValueError, match="got float64"):
            detector.push(np.zeros(FRAME))
    with pytest.raises(ValueError, match="must not exceed on_dbfs"):
        LevelActivity(RATE, FRAME, on_dbfs=-50.0, off_dbfs=-40.0)
