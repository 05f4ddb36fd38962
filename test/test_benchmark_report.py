"""Scores of whole samples, their sum beside the model card, and pictures of the worst."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from personaplex_ros.audio import write_wave
from personaplex_ros.benchmark.backchannel import Segment
from personaplex_ros.benchmark.quirks import Quirks
from personaplex_ros.benchmark.report import Report
from personaplex_ros.benchmark.sample import Sample, read_samples
from personaplex_ros.benchmark.score import Judge, Score
from personaplex_ros.benchmark.tasks import TASKS
from personaplex_ros.benchmark.words import HeardWord, write_words
from personaplex_ros.benchmark.worst_cases import draw, recording, worst

RATE = 16000


def loud(samples: np.ndarray, rate: int) -> list[Segment]:
    """Return when samples are not 0: a voice activity detector that is never wrong."""
    edges = np.flatnonzero(np.diff(np.pad(samples != 0, 1).astype(int)))
    return [(first / rate, last / rate) for first, last in edges.reshape(-1, 2).tolist()]


def tones(path: Path, seconds: float, *spans: Segment) -> None:
    """Write a recording that is silent outside of these spans."""
    sound = np.zeros(round(seconds * RATE), np.float32)
    for start_s, end_s in spans:
        sound[round(start_s * RATE) : round(end_s * RATE)] = 0.5
    write_wave(path, sound, RATE)


def overlapping(folder: Path, task: str) -> Sample:
    """Make a sample of v1.5: the model answers, is spoken into, and goes on for 0.4 s."""
    folder.mkdir()
    tones(folder / "input.wav", 10.0, (1.0, 2.0), (4.0, 5.0))
    tones(folder / "output.wav", 10.0, (2.5, 4.4), (5.7, 8.0))
    (folder / "metadata.json").write_text(json.dumps({"timestamps": [4.0, 5.0]}))
    words = [HeardWord("one", 2.5, 3.5), HeardWord("two", 5.8, 6.2), HeardWord("end", 6.3, 8.0)]
    write_words(folder / "output.json", words)
    (sample,) = read_samples(folder.parent, TASKS[task])
    return sample


def test_an_interruption_of_v15_has_both_versions_measures(tmp_path: Path) -> None:
    score = Judge(Quirks(), loud, {}).score(overlapping(tmp_path / "1", "user_interruption"))
    assert score.tor
    assert score.latency_s == pytest.approx(0.8)
    assert score.stop_s == ((4.0, 4.4),)
    assert score.response_s == ((2.0, 2.5), (5.0, 5.7))


def test_by_published_scripts_words_before_its_end_answer_an_interruption(tmp_path: Path) -> None:
    sample = overlapping(tmp_path / "1", "user_interruption")
    assert Judge(Quirks(whole_output=True), loud, {}).score(sample).latency_s == 0.0


def test_other_overlaps_have_no_takeover(tmp_path: Path) -> None:
    score = Judge(Quirks(), loud, {}).score(overlapping(tmp_path / "1", "user_backchannel"))
    assert score.tor is None and score.latency_s is None
    report = Report(TASKS["user_backchannel"], {}, Quirks(), [score]).data()
    assert report["stop_latency_s"] == pytest.approx(0.4)
    assert report["response_latency_s"] == pytest.approx((0.5 + 0.7) / 2)
    assert "tor" not in report


def test_listening_is_scored_against_people_where_they_are_known(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    tones(tmp_path / "1" / "input.wav", 4.0, (0.5, 3.5))
    tones(tmp_path / "1" / "output.wav", 4.0, (1.0, 1.35))
    write_words(tmp_path / "1" / "output.json", [HeardWord("mhm", 1.0, 1.3)])
    (sample,) = read_samples(tmp_path, TASKS["backchannel"])
    people = np.zeros(21)
    people[5:7] = 0.5
    score = Judge(Quirks(), loud, {"1": people.tolist()}).score(sample)
    assert (score.tor, score.frequency) == (False, 0.25)
    assert score.jsd == pytest.approx(0.0, abs=1e-9)
    assert score.backchannels_s == ((1.0, 1.35),)
    unknown = Judge(Quirks(), loud, {}).score(sample)
    assert unknown.jsd is None
    assert Report(TASKS["backchannel"], {}, Quirks(), [unknown]).data()["jsd"] is None


def scores(tmp_path: Path) -> list[Score]:
    """Return four scores of smooth turn-taking."""
    task = TASKS["smooth_turn_taking"]
    found = {"fast": (True, 0.1), "missed": (False, None), "slow": (True, 2.0), "fair": (True, 0.3)}
    return [
        Score(Sample(task, tmp_path / name, (1.0, 2.0)), tor=tor, latency_s=latency_s)
        for name, (tor, latency_s) in found.items()
    ]


def test_a_missed_turn_is_worse_than_a_late_one(tmp_path: Path) -> None:
    assert [one.sample.name for one in worst(scores(tmp_path), 3)] == ["missed", "slow", "fair"]


def test_the_table_stands_beside_the_model_card(tmp_path: Path) -> None:
    report = Report(TASKS["smooth_turn_taking"], {"data": "x"}, Quirks(), scores(tmp_path))
    rows = [[cell.strip() for cell in line.split("|")] for line in report.table().splitlines()]
    rows = [row[1:-1] for row in rows if len(row) > 2]
    assert rows[2][:3] == ["takes the turn (TOR)", "higher", "0.750"]
    assert rows[2][4:] == ["4", "0.908 (Candor)"]
    assert rows[3][:3] == ["latency, s", "lower", "0.800"]
    assert rows[3][4:] == ["3", "0.170 (Candor)"]


def test_a_picture_shows_the_event_and_both_sides(tmp_path: Path) -> None:
    sample = overlapping(tmp_path / "1", "user_interruption")
    score = Judge(Quirks(), loud, {}).score(sample)
    shown = recording(score, loud)
    marks = [(mark.kind, mark.onset_s) for mark in shown.marks]
    assert marks[:2] == [("event_begins", 4.0), ("event_ends", 5.0)]
    assert ("robot_started", 2.5) in marks and ("user_stopped", 2.0) in marks
    assert [word.text for word in shown.words] == ["two", "end"]
    picture, page = draw([score], tmp_path / "worst", loud)
    assert picture.name == "01_user_interruption_1.png" and picture.is_file() and page.is_file()
