"""Conversations made here, what is found in them, and that nothing of it looks ahead."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from personaplex_ros.audio import read_wave
from personaplex_ros.benchmark.turnbench import synthetic
from personaplex_ros.benchmark.turnbench.folder import read_conversations
from personaplex_ros.benchmark.turnbench.giving_way import DRAWS, giving_way
from personaplex_ros.benchmark.turnbench.listening import (
    Heard,
    Window,
    hear_speech,
    hear_turns,
    read_sounds,
    windows,
)
from personaplex_ros.benchmark.turnbench.predictions import Found
from personaplex_ros.benchmark.turnbench.run import patient
from personaplex_ros.benchmark.turnbench.silero import fixed_wait
from personaplex_ros.benchmark.turnbench.tracks import Entry, read_track
from personaplex_ros.cli import main
from personaplex_ros.turns import TurnMonitor, TurnParameters

JUDGED = TurnParameters(user_finished_on=0.3, user_finished_silence_s=0.4)
STEP_S = 0.125


def sure(*speech: tuple[float, float], seconds: float = 20.0) -> list[Window]:
    """Return windows of 0.125 s, sure of speech in these stretches and sure of none elsewhere."""
    starts = [index * STEP_S for index in range(round(seconds / STEP_S))]
    return [
        Window(s, s + STEP_S, s + STEP_S, float(any(a <= s < b for a, b in speech))) for s in starts
    ]


def test_silero_waits_for_silence_and_for_speech_over_the_others() -> None:
    talks, breaks_in = sure((1, 3), (3.5, 8)), sure((6, 6.25), (7, 10), (12, 13))
    talker, breaker = fixed_wait((talks, breaks_in), 0.5)
    assert talker == Found((3.5, 8.5))
    assert breaker == Found((6.75, 10.5, 13.5), (7.5,))
    eager, murmurs = fixed_wait((talks, breaks_in), 0.25)
    assert eager == Found((3.25, 8.25))
    assert murmurs.interruption == (6.25, 7.25)


def test_a_low_probability_ends_no_speech_but_prolongs_a_silence() -> None:
    unsure = [replace(one, probability=0.4) if 3 <= one.start_s < 4 else one
              for one in sure((1, 3), (4, 5))]  # fmt: skip
    talker, _ = fixed_wait((unsure, sure()), 0.5)
    assert talker.eot == (5.5,)


def test_giving_way_is_measured_against_random_moments() -> None:
    speech = sure((0, 5), (5.25, 10), (14, 16))
    way = giving_way(speech, (9.0, 12.0, 15.5))
    assert way.interrupted_s == (1.0, 0.5)
    # Of 0 to 9 and 14 to 15.5, a pause of 0.25 s is none: from 10 s, and from 2 s down.
    assert len(way.random_s) == DRAWS
    assert 0.5 <= min(way.random_s)
    assert 8.0 < max(way.random_s) <= 10.0
    assert giving_way(sure(), (1.0,)).interrupted_s == ()
    assert giving_way(sure(), (1.0,)).random_s == ()


def make(folder: Path, natural: bool, count: int = 1) -> Path:
    """Make short conversations with an interruption each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(synthetic, "LENGTH_S", 5.0)
        patch.setattr(synthetic, "CHANCES", (0.0, 1.0, 0.0, 0.0, 0.0, 0.0))
        synthetic.write_conversations(folder, count, 3, natural)
    return folder


def first(heard: Heard, seconds: float) -> Heard:
    """Return the whole frames of the first seconds."""
    count = round(seconds / 0.08) * heard.frame
    one, other = (side[:count] for side in heard.sides)
    return Heard((one, other), heard.rate, count / heard.rate)


@pytest.fixture(scope="module")
def made(tmp_path_factory: Any) -> Path:
    """Make a folder with a short conversation by rules."""
    return make(tmp_path_factory.mktemp("made"), natural=False)


@pytest.mark.parametrize("natural", [False, True], ids=["rules", "natural"])
def test_what_is_made_sounds_when_the_truth_says_so(tmp_path: Path, natural: bool) -> None:
    made = make(tmp_path, natural)
    wave = read_wave(made / "1" / "speaker_2_audio.wav")
    entries = read_track(made / "1" / "speaker_2_annotation_a.srt")
    sounds = np.abs(wave.samples[:, 0]) > 1e-4
    told = np.zeros(len(sounds), bool)
    for entry in entries:
        first, last = (round(at_s * wave.rate) for at_s in (entry.start_s, entry.end_s))
        told[first:last] = True
        assert sounds[first : first + round(0.03 * wave.rate)].any()
        assert sounds[last - round(0.06 * wave.rate) : last].any()
    slack = round(0.001 * wave.rate)
    assert not (sounds & ~np.convolve(told, np.ones(2 * slack + 1), "same").astype(bool)).any()


def test_who_is_broken_into_is_heard_for_a_while_and_stops_within_a_second(tmp_path: Path) -> None:
    for one in read_conversations(make(tmp_path, natural=False, count=4)):
        (begin_s,) = one.truths[0].interruption.events_s
        robot = read_track(tmp_path / one.name / "speaker_2_annotation_a.srt")
        (broken,) = (entry for entry in robot if entry.start_s < begin_s < entry.end_s)
        assert begin_s + 0.249 <= broken.end_s <= begin_s + 1.001
        assert broken.end_s in one.truths[1].eot.events_s
        wave = read_wave(one.sounds[1])
        last = round(broken.end_s * wave.rate)
        assert np.abs(wave.samples[last - round(0.03 * wave.rate) : last]).max() > 5e-4


@pytest.mark.parametrize(("at_s", "end_s"), [(3.5, 3.5), (4.2, 4.0), (5.5, 5.5)])
def test_what_is_cut_within_a_pause_ended_where_the_pause_begins(at_s: float, end_s: float) -> None:
    sound, pause = np.full(24_000, 0.1, np.float32), np.zeros(12_000, np.float32)
    said = synthetic.Said(3.0, np.concatenate((sound, pause, sound)), "Normal Turn")
    assert said.end_s == 5.5
    assert said.cut(at_s).end_s == pytest.approx(end_s)


def test_nothing_that_is_found_depends_on_what_comes_later(made: Path) -> None:
    (one,) = read_conversations(made)
    until_s = one.truths[0].eot.events_s[0] + 0.6
    later, sooner = (first(read_sounds(one), at_s) for at_s in (until_s + 1.6, until_s))
    settings = [JUDGED, patient(1.0)]
    heard_later, heard_sooner = hear_speech(later), hear_speech(sooner)
    found = hear_turns(later, heard_later, settings)[0][0].eot
    early = hear_turns(sooner, heard_sooner, settings)[0][0].eot
    assert early == tuple(at_s for at_s in found if at_s <= sooner.duration_s)
    assert early
    begin = windows(sooner, heard_sooner[0])
    assert windows(later, heard_later[0])[: len(begin)] == begin
    assert all(window.known_s >= window.end_s - 1e-9 for window in begin)


def test_our_events_are_those_of_the_turn_monitor_with_each_of_the_settings(made: Path) -> None:
    (one,) = read_conversations(made)
    heard = first(read_sounds(one), one.truths[0].eot.events_s[0] + 0.8)
    person, robot = heard.sides
    settings = [JUDGED, patient(0.5)]
    assert settings[1].user_end_silence_s == settings[1].interruption_min_s == 0.5
    told = hear_turns(heard, hear_speech(heard), settings)
    for (found, _), parameters in zip(told, settings, strict=True):
        monitor = TurnMonitor(heard.rate, heard.frame, parameters=parameters)
        events = [
            event
            for at_ns, user, other in heard.frames(person, robot)
            for event in monitor.push(user, other, "", at_ns).events
            if event.state == "confirmed"
        ]
        ends = [event.decided_ns / 1e9 for event in events if event.kind == "user_finished"]
        assert found.eot == tuple(ends)
        assert ends


def test_who_speaks_to_somebody_in_a_loud_room_does_not_always_interrupt_them(made: Path) -> None:
    (one,) = read_conversations(made)
    heard = read_sounds(one)
    person, other = heard.sides
    loud = np.random.default_rng(5).normal(0, 10 ** (-38 / 20), len(other)).astype(np.float32)
    amid = replace(heard, sides=(person, other + loud))
    (((quietly, _),), ((found, _),)) = (
        hear_turns(one, hear_speech(one), [JUDGED]) for one in (heard, amid)
    )
    assert len(found.interruption) == len(quietly.interruption) == 1
    assert len(found.eot) == len(quietly.eot) >= 2


def test_the_command_makes_hears_and_scores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(synthetic, "LENGTH_S", 5.0)
    monkeypatch.setattr(synthetic, "CHANCES", (0.0, 1.0, 0.0, 0.0, 0.0, 0.0))
    data, scores, ours = tmp_path / "data", tmp_path / "scores.json", tmp_path / "ours.json"
    words = ["evaluate", "--suite", "turnbench", "--data", str(data), "--synthetic", "1"]
    assert main([*words, "--json", str(scores), "--write-predictions", str(ours)]) == 0
    told = json.loads(scores.read_text())
    assert told["scores"]["oracle"]["eot"]["recall"] == 1.0
    assert told["scores"]["turn events"]["eot"]["recall"] > 0.5
    assert told["scores"]["turn events"]["eot"]["events"] >= 4
    assert told["scores"]["Silero, 0.3 s"]["eot"]["recall"] > 0.5
    assert told["giving_way"]["speaker_2"]["interrupted_s"]
    assert "silent after" in capsys.readouterr().out
    made = {path.name: path.read_bytes() for path in (data / "1").iterdir()}
    words = ["evaluate", "--suite", "turnbench", "--data", str(data), "--synthetic", "1"]
    assert main([*words, "--predictions", str(ours)]) == 0
    assert made == {path.name: path.read_bytes() for path in (data / "1").iterdir()}
    told_again = capsys.readouterr().out
    assert "| ours.json " in told_again


@pytest.mark.parametrize("count", ["0", "-1"])
def test_none_cannot_be_made(tmp_path: Path, capsys: Any, count: str) -> None:
    words = ["evaluate", "--suite", "turnbench", "--data", str(tmp_path), "--synthetic", count]
    assert main(words) == 2
    assert f"--synthetic {count}: it must be at least 1" in capsys.readouterr().err


def test_tracks_keep_milliseconds(tmp_path: Path) -> None:
    track = [Entry(0.0, 1.2346, "Filler"), Entry(3661.001, 3661.999, "Normal Turn")]
    synthetic.write_track(tmp_path / "a.srt", track)
    first, second = read_track(tmp_path / "a.srt")
    assert first == Entry(0.0, 1.235, "Filler")
    assert second == track[1]
