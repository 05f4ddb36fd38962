"""`personaplex evaluate --suite turnbench`: folders that people bring, and bad ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from turnbench_support import MHM, TAKES, TURN, conversation

from personaplex_ros.benchmark.turnbench.folder import read_conversations
from personaplex_ros.benchmark.turnbench.predictions import read_predictions, write_predictions
from personaplex_ros.benchmark.turnbench.report import oracle
from personaplex_ros.benchmark.turnbench.tracks import read_track
from personaplex_ros.cli import main

FIRST = [(1.0, 3.0, TURN), (3.5, 6.0, TURN), (12.0, 15.0, TURN)]
SECOND = [(5.5, 11.0, TAKES), (2.0, 2.4, MHM), (15.5, 17.0, TURN)]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two conversations: by one annotator, and by three of whom two agree."""
    conversation(tmp_path / "data" / "10", [FIRST], [SECOND])
    dissent = [(1.0, 6.0, TURN)]
    conversation(tmp_path / "data" / "9", [dissent, FIRST, FIRST], [SECOND] * 3)
    (tmp_path / "data" / "notes").mkdir()
    return tmp_path / "data"


def evaluate(data: Path, *words: str | Path) -> int:
    return main(["evaluate", "--suite", "turnbench", "--data", str(data), *map(str, words)])


def predict(path: Path, *, eot: Any = (), interruption: Any = (), **changes: Any) -> Path:
    """Write predictions: of both conversations the same, of the second speaker nothing."""
    nothing = {"eot": [], "interruption": []}
    found = {"eot": list(eot), "interruption": list(interruption)}
    names = changes.pop("names", ("9", "10"))
    entries = [{"conversation_id": n, "speaker_1": found, "speaker_2": nothing} for n in names]
    path.write_text(json.dumps({"schema_version": 1, "predictions": entries, **changes}))
    return path


def test_the_oracle_scores_one(data: Path, tmp_path: Path, capsys: Any) -> None:
    conversations = read_conversations(data)
    assert [one.name for one in conversations] == ["9", "10"]
    write_predictions(tmp_path / "oracle.json", oracle(conversations))
    assert evaluate(data, "--predictions", tmp_path / "oracle.json",
                    "--json", tmp_path / "scores.json") == 0  # fmt: skip
    scores = json.loads((tmp_path / "scores.json").read_text())["scores"]
    for name in ("oracle", "oracle.json"):
        assert scores[name]["eot"] == {
            "recall": 1.0, "fp_rate": 0.0, "in_budget": True,
            "latency_p10_p50_p90_s": [0.0, 0.0, 0.0], "events": 8, "negatives": 2,
        }  # fmt: skip
        assert scores[name]["interruption"]["recall"] == 1.0
        assert scores[name]["interruption"]["negatives"] == 2
    assert "| oracle.json | 1.000  | 0.000 " in capsys.readouterr().out


def test_wrong_predictions_score_what_the_definition_says(data: Path, tmp_path: Path) -> None:
    # Of 6.0 and 15.0 in each conversation the first is found, late, and the pause at 3.0 as well.
    path = predict(tmp_path / "mine.json", eot=[3.2, 6.7, 14.0], interruption=[5.6])
    assert evaluate(data, "--predictions", path, "--json", tmp_path / "scores.json") == 0
    scores = json.loads((tmp_path / "scores.json").read_text())["scores"]["mine.json"]
    assert scores["eot"]["recall"] == 2 / 8
    assert scores["eot"]["fp_rate"] == 1.0
    assert scores["eot"]["latency_p10_p50_p90_s"] == pytest.approx([0.7, 0.7, 0.7])
    assert scores["interruption"]["recall"] == 0.0  # it was the other speaker's
    assert scores["interruption"]["fp_rate"] == 0.0


def test_what_was_written_is_read_again(data: Path, tmp_path: Path) -> None:
    conversations = read_conversations(data)
    write_predictions(tmp_path / "oracle.json", oracle(conversations))
    lengths = {one.name: one.duration_s for one in conversations}
    assert read_predictions(tmp_path / "oracle.json", lengths) == oracle(conversations)


def wrong(change: Callable[[Path], object], said: str) -> Any:
    return pytest.param(change, said, id=said)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        wrong(
            lambda folder: (folder / "speaker_2_audio.wav").unlink(),
            "10/speaker_2_audio.wav does not exist, nor speaker_2_audio.flac",
        ),
        wrong(
            lambda folder: (folder / "speaker_1_audio.wav").write_bytes(b"no sound"),
            "10/speaker_1_audio.wav is not a sound file",
        ),
        wrong(
            lambda folder: (folder / "speaker_1_annotation_a.srt").unlink(),
            "10/speaker_1_annotation_a.srt does not exist",
        ),
        wrong(
            lambda folder: (folder / "speaker_1_annotation_a.srt").write_text("hello"),
            "speaker_1_annotation_a.srt holds no entry",
        ),
        wrong(
            lambda folder: (folder / "speaker_1_annotation_a.srt").write_text(
                "1\n00:00:01 --> 00:00:02\n[Normal Turn]\n"
            ),
            "speaker_1_annotation_a.srt, line 2: '00:00:01 --> 00:00:02' must be two times",
        ),
        wrong(
            lambda folder: (folder / "speaker_1_annotation_a.srt").write_text(
                "1\n00:00:01,000 --> 00:00:02,000\nNormal Turn\n"
            ),
            "speaker_1_annotation_a.srt, line 3: 'Normal Turn' must begin with a label",
        ),
        wrong(
            lambda folder: (folder / "speaker_1_annotation_a.srt").write_text(
                "1\n00:00:03,000 --> 00:00:02,000\n[Normal Turn]\n"
            ),
            "line 2: it ends before it starts",
        ),
    ],
)
def test_a_bad_folder_is_told(
    data: Path, capsys: Any, change: Callable[[Path], object], said: str
) -> None:
    change(data / "10")
    assert evaluate(data) == 2
    assert said in capsys.readouterr().err


def test_a_folder_too_high_or_of_another_kind_is_told(data: Path, capsys: Any) -> None:
    assert evaluate(data.parent) == 2
    assert "holds no conversations" in (said := capsys.readouterr().err)
    assert "give one of data in it" in said
    assert evaluate(data.parent / "nowhere") == 2
    assert "is not a folder" in capsys.readouterr().err


def test_speakers_of_two_lengths_are_told(tmp_path: Path, capsys: Any) -> None:
    one = conversation(tmp_path / "data" / "1", [FIRST], [SECOND])
    other = conversation(tmp_path / "other", [FIRST], [SECOND], seconds=19.0)
    (other / "speaker_2_audio.wav").replace(one / "speaker_2_audio.wav")
    assert evaluate(tmp_path / "data") == 2
    assert "lasts 20.00 s and speaker_2_audio.wav 19.00 s" in capsys.readouterr().err


def test_annotations_without_any_known_label_are_told(tmp_path: Path, capsys: Any) -> None:
    conversation(tmp_path / "data" / "1", [[(1.0, 2.0, "talks")]], [[]])
    assert evaluate(tmp_path / "data") == 2
    assert "no annotation has a label of the benchmark" in (said := capsys.readouterr().err)
    assert "it has talks" in said


def table(path: Path, data: Path, **changes: Any) -> Path:
    """Write a conversation as the published tables hold it."""
    row: dict[str, Any] = {"conversation_id": "9"}
    for speaker in ("speaker_1", "speaker_2"):
        sound = (data / "9" / f"{speaker}_audio.wav").read_bytes()
        row[f"{speaker}_audio"] = {"bytes": sound, "path": f"{speaker}.wav"}
        for letter in "abc":
            track = read_track(data / "9" / f"{speaker}_annotation_{letter}.srt")
            row[f"{speaker}_annotation_{letter}"] = [asdict(entry) for entry in track]
    path.parent.mkdir()
    rows = [{key: value for key, value in {**row, **changes}.items() if value != "left out"}]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return path.parent


def test_the_published_tables_are_unpacked_and_say_the_same(data: Path, tmp_path: Path) -> None:
    folder = table(tmp_path / "tables" / "dev-0.parquet", data)
    path = predict(tmp_path / "mine.json", eot=[6.1], names=("9",))
    assert evaluate(folder, "--predictions", path) == 0
    (read,), (_, other) = read_conversations(folder), read_conversations(data)
    assert read.truths == other.truths
    assert read.duration_s == other.duration_s
    (folder / "9" / "speaker_1_annotation_a.srt").write_text("")
    assert evaluate(folder, "--predictions", path) == 0  # and nothing is unpacked again
    assert (folder / "9" / "speaker_1_annotation_a.srt").read_text() == ""


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"conversation_id": "../9"}, "`conversation_id` '../9' is no name of a folder"),
        ({"speaker_2_annotation_b": "left out"}, "has no column speaker_2_annotation_b"),
        ({"speaker_1_annotation_a": [{"start_s": 1.0}]}, "must list `start_s`, `end_s` and"),
        ({"speaker_1_audio": {"bytes": b"ID3"}}, "`speaker_1_audio` holds no WAV or FLAC file"),
    ],
)
def test_bad_tables_are_told(
    data: Path, tmp_path: Path, capsys: Any, changes: dict[str, Any], said: str
) -> None:
    assert evaluate(table(tmp_path / "tables" / "dev-0.parquet", data, **changes)) == 2
    assert said in capsys.readouterr().err
    (tmp_path / "tables" / "dev-0.parquet").write_bytes(b"no table")
    assert evaluate(tmp_path / "tables") == 2
    assert "dev-0.parquet cannot be read" in capsys.readouterr().err


def test_empty_annotations_are_no_fault_but_score_nothing(tmp_path: Path, capsys: Any) -> None:
    conversation(tmp_path / "data" / "1", [[]], [[]], seconds=1.0)
    ours = tmp_path / "ours.json"
    assert evaluate(tmp_path / "data", "--write-predictions", ours) == 0
    assert "nothing could be scored" in capsys.readouterr().out
    assert json.loads(ours.read_text())["predictions"][0]["conversation_id"] == "1"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"schema_version": 2}, "`schema_version` must be 1"),
        ({"more": 1}, "must hold `schema_version`, `predictions`, no more"),
        ({"predictions": {}}, "`predictions` must be a list"),
        ({"names": ("9",)}, "says nothing of conversation 10"),
        ({"names": ("9", "9")}, "conversation '9' stands twice"),
        ({"names": ("9", "11")}, "the data has no conversation '11'"),
        ({"eot": [2.0, 2.0]}, "conversation '9', speaker_1, `eot`: 2.0 follows 2.0"),
        ({"eot": [20.5]}, "`eot`: 20.5 lies outside of the 20.00 s of sound"),
        ({"interruption": [None]}, "`interruption` must be a list of times in seconds"),
        ({"interruption": [float("nan")]}, "`interruption` must be a list of times in seconds"),
    ],
)
def test_bad_predictions_are_told(
    data: Path, tmp_path: Path, capsys: Any, changes: dict[str, Any], said: str
) -> None:
    assert evaluate(data, "--predictions", predict(tmp_path / "mine.json", **changes)) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "mine.json" in error


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--suite", "turnbench", "--task", "backchannel"], "--task is nothing that --suite turn"),
        (["--suite", "turnbench", "--persona", "guide"], "--persona is nothing that --suite turn"),
        (["--suite", "turnbench", "--quirk", "all"], "--quirk is nothing that --suite turnbench"),
        (["--suite", "turnbench", "--natural"], "--natural says how --synthetic N speaks"),
        (["--task", "backchannel", "--predictions", "x"], "--predictions is nothing that --suite"),
        ([], "--task is needed"),
    ],
)
def test_options_of_the_other_suite_are_refused(
    data: Path, capsys: Any, words: list[str], said: str
) -> None:
    assert main(["evaluate", "--data", str(data), *words]) == 2
    assert said in capsys.readouterr().err
