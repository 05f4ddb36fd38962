"""Folders of Full-Duplex-Bench: what is read from them, and what is said when it is not there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from personaplex_ros.audio import write_wave
from personaplex_ros.benchmark.human_timing import found_human_timing, read_human_timing
from personaplex_ros.benchmark.sample import read_samples
from personaplex_ros.benchmark.tasks import TASKS
from personaplex_ros.benchmark.words import HeardWord, read_words, write_words
from personaplex_ros.cli import main


def sample(folder: Path, **annotations: Any) -> Path:
    """Make a sample with a second of silence and ``name=content`` as ``name.json``."""
    folder.mkdir(parents=True)
    write_wave(folder / "input.wav", np.zeros(16000, np.float32), 16000)
    for name, content in annotations.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def test_samples_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for name in ("10", "2", "1"):
        sample(tmp_path / name)
    (tmp_path / "notes").mkdir()
    read = read_samples(tmp_path, TASKS["pause_handling"])
    assert [one.name for one in read] == ["1", "2", "10"]


def test_the_turns_end_is_the_first_time_of_turn_taking(tmp_path: Path) -> None:
    sample(tmp_path / "1", turn_taking=[{"text": "so", "timestamp": [4.25, 5.0]}])
    (read,) = read_samples(tmp_path, TASKS["smooth_turn_taking"])
    assert read.event == (4.25, 5.0)
    assert not read.has_overlap


def test_an_interruption_is_read_from_both_versions(tmp_path: Path) -> None:
    entry = {"context": "a", "interrupt": "b", "timestamp": [7.0, 9.5]}
    sample(tmp_path / "1", interrupt=[entry])
    overlap = {"context_text": "a", "current_turn_text": "b", "timestamps": [8.0, 9.0]}
    sample(tmp_path / "2", metadata=overlap)
    first, second = read_samples(tmp_path, TASKS["user_interruption"])
    assert (first.event, first.has_overlap) == ((7.0, 9.5), False)
    assert (second.event, second.has_overlap) == ((8.0, 9.0), True)


@pytest.mark.parametrize("name", ["user_backchannel", "talking_to_other", "background_speech"])
def test_overlaps_of_v15_are_read(tmp_path: Path, name: str) -> None:
    sample(tmp_path / "1", metadata={"timestamps": [8.0, 9.0]})
    (read,) = read_samples(tmp_path, TASKS[name])
    assert read.event == (8.0, 9.0)


def test_a_folder_too_high_is_told(tmp_path: Path) -> None:
    sample(tmp_path / "candor_turn_taking" / "1")
    with pytest.raises(FileNotFoundError, match="holds no samples"):
        read_samples(tmp_path, TASKS["smooth_turn_taking"])


def test_a_missing_annotation_is_named(tmp_path: Path) -> None:
    sample(tmp_path / "7")
    with pytest.raises(FileNotFoundError, match=r"7/turn_taking\.json does not exist"):
        read_samples(tmp_path, TASKS["smooth_turn_taking"])


@pytest.mark.parametrize("times", [[4.25], [4.25, 0.0], [4.25, None], [4, 4.25]])
def test_only_the_first_time_of_turn_taking_counts(tmp_path: Path, times: Any) -> None:
    sample(tmp_path / "1", turn_taking=[{"text": "[TURN-TAKING]", "timestamp": times}])
    (read,) = read_samples(tmp_path, TASKS["smooth_turn_taking"])
    assert read.event == (times[0], 4.25)


@pytest.mark.parametrize(
    "times", [None, [], [None, 4.0], "4", [float("nan"), 2.0], [-1.0, 2.0], [True], [10**400], [{}]]
)
def test_a_turns_end_that_is_none_is_named(tmp_path: Path, times: Any) -> None:
    sample(tmp_path / "1", turn_taking=[{"timestamp": times}])
    with pytest.raises(ValueError, match=r"turn_taking\.json: `timestamp` .* must be \[start"):
        read_samples(tmp_path, TASKS["smooth_turn_taking"])


@pytest.mark.parametrize("times", [[5.0, 4.0], [5.0], [5.0, None], [None, 4.0], [1.0, 2.0, 3.0]])
def test_an_interruption_needs_both_times(tmp_path: Path, times: Any) -> None:
    sample(tmp_path / "1", interrupt=[{"timestamp": times}])
    with pytest.raises(ValueError, match=r"interrupt\.json: `timestamp` .* \[start, end\] in sec"):
        read_samples(tmp_path, TASKS["user_interruption"])
    sample(tmp_path / "v15" / "1", metadata={"timestamps": times})
    with pytest.raises(ValueError, match=r"metadata\.json: `timestamps` is "):
        read_samples(tmp_path / "v15", TASKS["user_interruption"])


def test_words_are_read_as_they_were_written(tmp_path: Path) -> None:
    words = [HeardWord("hello", 0.5, 0.9), HeardWord("there", 0.95, 1.4)]
    write_words(tmp_path / "output.json", words)
    assert read_words(tmp_path / "output.json") == words
    content = json.loads((tmp_path / "output.json").read_text())
    assert content["text"] == "hello there"
    assert content["chunks"][1] == {"text": "there", "timestamp": [0.95, 1.4]}


def test_words_are_read_as_recognisers_leave_them(tmp_path: Path) -> None:
    times = [[2.0, None], [1.0, 1.2], [3.0], [5.0, 0.0], None, [None, None]]
    chunks = [{"text": f" {place}", "timestamp": time} for place, time in enumerate(times)]
    text = "\ufeff" + json.dumps({"text": "", "chunks": chunks})  # of an editor on Windows
    (tmp_path / "output.json").write_text(text, encoding="utf-8")
    assert read_words(tmp_path / "output.json") == [
        HeardWord("1", 1.0, 1.2),
        HeardWord("0", 2.0, 2.0),
        HeardWord("2", 3.0, 3.0),
        HeardWord("3", 5.0, 5.0),
    ]


@pytest.mark.parametrize(
    "content",
    ["[", "[]", "[" * 99_999, '{"chunks": 3}', '{"chunks": [{"text": 1}]}',
     '{"chunks": [{"text": "a", "timestamp": ["x", 1]}]}'],
    ids=range(6),
)  # fmt: skip
def test_a_broken_transcript_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "output.json").write_text(content)
    with pytest.raises(ValueError, match=r"output\.json"):
        read_words(tmp_path / "output.json")


def test_peoples_timing_is_found_beside_and_above_the_samples(tmp_path: Path) -> None:
    (tmp_path / "icc").mkdir()
    assert found_human_timing(tmp_path / "icc") == {}
    (tmp_path / "icc_gt_distribution.json").write_text('{"1": [0.5, 0.5]}')
    assert found_human_timing(tmp_path / "icc") == {"1": [0.5, 0.5]}


@pytest.mark.parametrize("shares", ["[]", "[0, 0]", "[-1, 2]", '"x"', "[[1]]"])
def test_timing_that_is_no_distribution_is_named(tmp_path: Path, shares: str) -> None:
    (tmp_path / "human.json").write_text(f'{{"12": {shares}}}')
    with pytest.raises(ValueError, match=r"human\.json.*12"):
        read_human_timing(tmp_path / "human.json")


def test_scoring_needs_something_to_score(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sample(tmp_path / "1")
    words = ["evaluate", "--task", "pause_handling", "--data", str(tmp_path), "--score-only"]
    assert main(words) == 2
    assert "has neither output.wav nor output.json: run the model" in capsys.readouterr().err


def test_existing_outputs_are_scored_without_a_model(tmp_path: Path) -> None:
    data, result = tmp_path / "data", tmp_path / "scores.json"
    end = {"turn_taking": [{"timestamp": [4.0, 0.0]}]}
    heard = {"1": [[4.5, 4.8], [5.0, 6.0]], "2": [[3.0, 4.2]], "3": [[4.1, 4.4]], "4": []}
    for name, times in heard.items():
        chunks = [{"text": "word", "timestamp": time} for time in times]
        folder = sample(data / name, **end)
        (folder / "output.json").write_text(json.dumps({"text": "", "chunks": chunks}))
    words = ["evaluate", "--task", "smooth_turn_taking", "--data", str(data), "--score-only"]
    assert main([*words, "--json", str(result)]) == 0
    scores = json.loads(result.read_text())
    # By hand: 1 and 2 take the turn, 3 is one short word, 4 is silent; latencies 0.5 and 0.
    assert scores["tor"] == 0.5
    assert scores["latency_s"] == pytest.approx(0.25)
    assert scores["counted"] == {"tor": 4, "latency_s": 2}
    # Wilson (1927) for 2 of 4.
    assert scores["intervals"]["tor"] == pytest.approx([0.1500, 0.8500], abs=1e-4)
    assert [one["tor"] for one in scores["per_sample"]] == [True, True, False, False]
    assert scores["model_card"]["latency_s"] == {"Candor": 0.170}
