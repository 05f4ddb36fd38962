"""When a turn is told to be over: what the judge of its sound says, and what the tracker does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from turns_support import FRAME, RATE, START_NS, activities, decided, only, onset

from personaplex_ros.audio import read_wave, resample
from personaplex_ros.resources import share_directory
from personaplex_ros.training.turn_ends import corpus, learning
from personaplex_ros.training.turn_ends.corpus import assemble, judge_lines, random_line
from personaplex_ros.training.turn_ends.learning import export, learn
from personaplex_ros.training.turn_ends.network import Network
from personaplex_ros.training.turn_ends.voices import natural_voice, one_of_many
from personaplex_ros.training.voices.changing import mean_pitch
from personaplex_ros.training.voices.speakers import random_caller
from personaplex_ros.training.voices.speech import speak
from personaplex_ros.training.world import load_world
from personaplex_ros.turns import (
    SpeechActivity,
    TurnEvent,
    TurnMonitor,
    TurnParameters,
    TurnTracker,
)
from personaplex_ros.turns.judges import turn_end
from personaplex_ros.turns.judges.turn_end import TurnEndJudge


def tell(
    user: list[tuple[float, float]],
    robot: Sequence[tuple[float, float]] = (),
    sure: Sequence[tuple[float, float]] = (),
    pieces: Mapping[float, str] | None = None,
    **parameters: float,
) -> list[TurnEvent]:
    """Follow a conversation in which a judge is sure of the end at some times.

    pieces: the robot's text in the frame that ends at a time.
    """
    texts = {round(at_s / 0.08): piece for at_s, piece in (pieces or {}).items()}
    tracker = TurnTracker(TurnParameters(**{"user_finished_on": 0.6, **parameters}), RATE, FRAME)
    events = []
    for index in range(100):
        at_s = (index + 1) * 0.08
        windows = activities(user, 768, index, 240), activities(list(robot), 480, index, 0)
        finished = 0.9 if any(a <= at_s < b for a, b in sure) else 0.1
        text = texts.get(index + 1, "")
        events += tracker.update(START_NS + index * 80_000_000, *windows, text, finished)
    return [event for event in events if event.kind == "user_finished"]


def test_the_end_is_told_once_as_soon_as_the_judge_is_sure():
    events = tell([(1.0, 3.0)], sure=[(3.4, 8.0)])
    assert onset(events, "user_finished") == pytest.approx(3.0, abs=0.05)
    assert decided(events, "user_finished") == pytest.approx(3.44, abs=0.05)
    assert only(events, "user_finished").confidence == 0.9


def test_an_end_that_nobody_is_sure_of_is_told_after_the_silence():
    events = tell([(1.0, 3.0)], user_finished_silence_s=1.0)
    assert decided(events, "user_finished") == pytest.approx(4.05, abs=0.1)
    never = tell([(1.0, 3.0)], sure=[(3.1, 8.0)], user_finished_on=1.1)
    assert decided(never, "user_finished") == pytest.approx(4.25, abs=0.1)


def test_who_speaks_on_ends_anew_and_a_pause_ends_nothing():
    ends = tell([(1.0, 2.0), (2.6, 4.0)], sure=[(4.2, 8.0)])
    assert [(end.onset_ns - START_NS) / 1e9 for end in ends] == pytest.approx([4.0], abs=0.05)
    ends = tell([(1.0, 2.0), (2.6, 4.0)], sure=[(2.1, 2.5), (4.2, 8.0)])
    assert [(end.onset_ns - START_NS) / 1e9 for end in ends] == pytest.approx([2.0, 4.0], abs=0.05)
    assert len({end.episode for end in ends}) == 2


def test_an_mhm_over_the_robot_is_no_turn_but_an_interruption_is():
    sure = [(0.0, 8.0)]
    assert not tell([(3.0, 3.3)], [(1.0, 7.0)], sure)
    assert len(tell([(3.0, 4.5)], [(1.0, 7.0)], sure)) == 1
    assert len(tell([(3.0, 3.3)], [(1.0, 2.0)], sure)) == 1


@pytest.mark.parametrize(
    ("pieces", "told_s"),
    [
        ({3.28: " The", 3.6: " library"}, 3.28),
        ({3.28: " I", 3.6: " see"}, 4.25),
        ({3.28: " I", 3.6: " do"}, 3.6),
        ({3.28: " Y", 3.36: "es", 3.44: ",", 3.6: " it"}, 3.6),
        ({2.0: " The", 2.4: " library"}, 4.25),  # said while they speak, and they speak on
        ({3.28: " Mhm.", 3.6: " Okay."}, 4.25),
        ({3.28: " 9"}, 3.28),
    ],
)
def test_who_is_answered_has_finished_and_a_murmur_is_no_answer(pieces, told_s):
    events = tell([(1.0, 3.0)], pieces=pieces)
    assert onset(events, "user_finished") == pytest.approx(3.0, abs=0.05)
    assert decided(events, "user_finished") == pytest.approx(told_s, abs=0.1)


def test_what_the_robot_says_on_is_no_answer_to_who_speaks_into_it():
    said = {at / 100: " word" for at in range(104, 800, 40)}
    events = tell([(3.0, 4.5)], [(1.0, 7.0)], pieces=said)
    assert decided(events, "user_finished") == pytest.approx(5.75, abs=0.1)
    # It stopped for them, so that what it begins then is an answer.
    said = {1.2: " word", 2.0: " word", 3.2: " word", 5.2: " Good"}
    events = tell([(3.0, 4.5)], [(1.0, 3.6), (5.2, 7.0)], pieces=said)
    assert decided(events, "user_finished") == pytest.approx(5.2, abs=0.1)


def test_who_is_answered_in_a_pause_ends_anew_when_they_have_spoken_on():
    events = tell([(1.0, 2.0), (2.6, 4.0)], pieces={2.4: " The", 4.24: " Well"})
    ends = [(end.decided_ns - START_NS) / 1e9 for end in events]
    assert ends == pytest.approx([2.4, 4.24], abs=0.05)


def followed(sound: np.ndarray, rate: int) -> list[float]:
    frame = round(0.08 * rate)
    activity, judge = SpeechActivity(rate, frame), TurnEndJudge(rate, frame)
    frames = (sound[first : first + frame] for first in range(0, len(sound) - frame + 1, frame))
    return [judge.push(samples, activity.push(samples)) for samples in frames]


def test_ends_sound_more_finished_than_pauses():
    rng = np.random.default_rng(99)
    lines = [random_line(load_world(), rng, natural_voice(rng)) for _ in range(5)]
    sure: dict[bool, list[float]] = {True: [], False: []}
    for line in lines:
        told = followed(line.samples, RATE)
        for start_s, end_s, over in line.silences:
            if end_s > start_s + 0.45:
                sure[over].append(told[int((start_s + 0.4) / 0.08)])
    assert min(map(len, sure.values())) >= 4
    assert np.mean([end > pause for end in sure[True] for pause in sure[False]]) > 0.75


def test_a_voice_of_many_speaks_as_one_within_a_line():
    def of_kokoro(text: str, pace: float) -> np.ndarray:
        """Stand for one of Kokoro's voices: espeak-ng says a text otherwise the second time."""
        phase = 2 * np.pi * 150.0 * np.arange(round(0.05 * RATE * len(text) / pace)) / RATE
        tones = (np.sin(number * phase) / number for number in range(1, 30))
        return (0.1 * sum(tones)).astype(np.float32)

    pitches, lengths = [], []
    for seed in range(6):
        say = one_of_many(of_kokoro, np.random.default_rng(seed))
        first, again = (say("Where is the nearest pharmacy?", held) for held in (True, False))
        assert np.array_equal(first, again) and np.abs(first).max() > 0.01
        pitches.append(mean_pitch(first))
        lengths.append(len(first))
    assert max(pitches) / min(pitches) > 1.3 and max(lengths) / min(lengths) > 1.1


def test_the_judge_hears_the_same_at_another_rate():
    sound = speak("Is the chapel open on Sundays?", random_caller(np.random.default_rng(1))).samples
    sound = np.concatenate((np.zeros(RATE // 2), sound, np.zeros(RATE))).astype(np.float32)
    last = [followed(resample(sound, RATE, rate), rate)[-4:] for rate in (24_000, 48_000)]
    assert last[0] == pytest.approx(last[1], abs=0.1)
    assert max(last[0]) > 0.0


def test_nobody_has_finished_who_speaks_or_said_nothing_for_long():
    sound = speak("Is the chapel open on Sundays?", random_caller(np.random.default_rng(1))).samples
    sure = followed(np.concatenate((sound, np.zeros(4 * RATE, np.float32))), RATE)
    assert max(sure[: int(len(sound) / 1920) - 2]) < 0.3
    assert any(sure) and sure[-1] == 0.0


def test_the_monitor_tells_the_end_from_the_sound_itself():
    speech = speak("Where can I leave my wet umbrella?", random_caller(np.random.default_rng(2)))
    sound = np.concatenate((np.zeros(RATE // 2), speech.samples, np.zeros(3 * RATE)))
    sound = sound.astype(np.float32)
    ends = {}
    for name, parameters in (("judged", TurnParameters(user_finished_on=0.05)),
                             ("waited", TurnParameters(user_finished_on=1.1))):  # fmt: skip
        monitor = TurnMonitor(RATE, FRAME, parameters=parameters)
        silence = np.zeros(FRAME, np.float32)
        told = [
            event
            for first in range(0, len(sound) - FRAME + 1, FRAME)
            for event in monitor.push(sound[first : first + FRAME], silence, "",
                                      first * 1_000_000_000 // RATE).events
            if event.kind == "user_finished"
        ]  # fmt: skip
        ends[name] = told[-1].decided_ns / 1e9 - 0.5 - speech.duration_s
        assert len(told) == 1 or name == "judged"
    assert ends["waited"] == pytest.approx(1.2, abs=0.2)
    assert ends["judged"] < 0.6


def test_what_is_trained_is_what_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(corpus, "TURNS", (1, 2))
    monkeypatch.setattr(learning, "FRAMES", 60)
    monkeypatch.setattr(learning, "BATCH", 4)
    world, rng = load_world(), np.random.default_rng(7)
    # Recorded, as espeak-ng says a text otherwise after others: this test has to learn its lines.
    caller = read_wave(share_directory() / "config" / "demo" / "caller.wav").samples[:, 0]
    sentences = [(1.05, 3.5), (7.5, 9.15), (10.9, 13.6), (16.5, 19.2)]
    parts = [caller[round(a * RATE) : round(b * RATE)] for a, b in sentences]
    say = lambda text, held: parts[len(text) % len(parts)]  # noqa: E731
    lines = judge_lines([random_line(world, rng, say) for _ in range(4)])
    assert {kind for line in lines for kind in line.labels} == {-1, 0, 1}
    network, losses = learn(lines, lines, passes=120)
    assert losses[-1] < 0.5 < losses[0]
    # One that knows four lines by heart makes much of the last bit of a number.
    network, _ = learn(lines, lines, passes=20)
    export(network, tmp_path / "weights.safetensors", {"trained on": "a test"})
    monkeypatch.setattr(turn_end, "WEIGHTS", tmp_path / "weights.safetensors")
    turn_end._weights.cache_clear()
    try:
        line = assemble([[say("Where is the museum?", False)]], rng)
        (judged,) = judge_lines([line])
        told = followed(line.samples, RATE)
        with torch.no_grad():
            features = torch.from_numpy(judged.features)[None]
            expected = torch.sigmoid(network(features))[0].numpy()
        silent = (np.asarray(told) > 0) & (judged.silence_s > 0.05)
        assert silent.sum() > 5
        assert np.asarray(told)[silent] == pytest.approx(expected[silent], abs=0.03)
    finally:
        turn_end._weights.cache_clear()
    assert isinstance(network, Network)
