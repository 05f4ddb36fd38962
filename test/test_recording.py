"""Recordings: what is in them, and what is left when the process or the disk is not."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
import wave
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from recording_peer import FRAME, FRAME_NS, RATE, ROOM
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from personaplex_ros.audio import float32_to_int16
from personaplex_ros.cli import main
from personaplex_ros.node.recording.bag_format import TOPICS, RosBag
from personaplex_ros.recording import (
    Archive,
    FolderWriter,
    Frame,
    Heading,
    Journal,
    Limits,
    Piece,
    Recorder,
    State,
    complete_bag,
    read_lines,
)
from personaplex_ros.recording.places import Places
from personaplex_ros.recording.reading import read_folder
from personaplex_ros.timeline import Word
from personaplex_ros.turns import TurnEvent, UserUtterance, Utterance

PEER = Path(__file__).with_name("recording_peer.py")
EVENT = (
    '{{"type": "turn_event", "t": 0.0, "kind": "backchannel", "state": "confirmed", '
    '"revises": "", "decided": {decided}}}\n'
)
START_NS = 1_700_000_000_000_000_000


def sound(number: int) -> np.ndarray:
    return np.random.default_rng(number).uniform(-0.5, 0.5, FRAME).astype(np.float32)


def frame(number: int) -> Frame:
    return Frame(number, START_NS + number * FRAME_NS, sound(number), sound(1000 + number))


class Diary:
    """A journal in a folder, and the lines that it logs."""

    def __init__(self, folder: Path, limits: Limits = ROOM, ask: bool = False) -> None:
        self.lines: list[tuple[str, str]] = []
        self.archive = Archive(folder)
        self.number = 0
        heading = Heading("robot1", RATE, "a talk")
        self.journal = Journal(
            self.archive, limits, heading, None, ask=ask,
            tell=lambda level, text: self.lines.append((level, text)),
        )  # fmt: skip

    def talk(self, seconds: float) -> None:
        """Hand over so much sound."""
        for _ in range(round(seconds / 0.08)):
            self.number += 1
            self.journal.frame(frame(self.number))

    @property
    def recordings(self) -> list[Path]:
        """The folders, oldest first."""
        return self.archive.recordings()


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10.0
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.005)


def test_a_recording_holds_what_was_heard_said_and_decided(tmp_path: Path) -> None:
    bag = RosBag(RATE, "mouth", lambda name: f"/robot1/{name}")
    writer = FolderWriter(tmp_path, RATE, "receptionist", {"robot": "robot1"}, bag)
    event = TurnEvent("interruption", START_NS + 5 * FRAME_NS, START_NS + 8 * FRAME_NS, 0.75, 3)
    said = Utterance(START_NS + 2 * FRAME_NS, START_NS + 9 * FRAME_NS, "You are welcome.", True)
    asked = UserUtterance(START_NS + FRAME_NS, START_NS + 5 * FRAME_NS, "which floor", True)
    for number in range(1, 11):
        writer.frame(frame(number))
        if number == 4:
            writer.happened(replace(asked, text="which", final=False))
        if number == 8:
            writer.happened(asked)
        writer.happened(Piece(START_NS + (number + 1) * FRAME_NS, number, 40, f" w{number}"))
        if number == 8:
            writer.happened(State(user_speaking=True, robot_speaking=True, hold=True))
            writer.happened(event)
    writer.happened(State())
    writer.happened(said)
    writer.finish("it is over")

    wave, rate = soundfile.read(tmp_path / "conversation.wav", dtype="int16")
    assert rate == RATE and wave.shape == (11 * FRAME, 2)
    for number in range(1, 11):  # what answers a frame is heard when that has ended
        assert (wave[(number - 1) * FRAME :][:FRAME, 0] == float32_to_int16(sound(number))).all()
        answer = float32_to_int16(sound(1000 + number))
        assert (wave[number * FRAME :][:FRAME, 1] == answer).all()

    lines = list(read_lines(tmp_path / "events.jsonl"))
    assert Counter(line["type"] for line in lines) == {
        "recording": 1, "text": 10, "hold": 2, "turn_event": 1, "utterance": 1, "end": 1,
        "user_utterance": 1,
    }  # fmt: skip
    assert lines[0]["title"] == "receptionist" and lines[0]["robot"] == "robot1"
    decided = next(line for line in lines if line["type"] == "turn_event")
    assert (decided["t"], decided["decided"]) == (4 * 0.08, 7 * 0.08)
    assert (decided["kind"], decided["episode"], decided["confidence"]) == ("interruption", 3, 0.75)
    assert lines[-1]["why"] == "it is over"
    transcript = (tmp_path / "transcript.txt").read_text()
    assert transcript == (
        "   0.00    0.32  person: which floor\n   0.08    0.64  You are welcome. [interrupted]\n"
    )
    told = read_bag(tmp_path / "bag")["/robot1/user_transcript"]
    assert [(heard.text, heard.final) for heard in told] == [
        ("which", False),
        ("which floor", True),
    ]

    seen = read_folder(tmp_path)
    assert [word.text for word in seen.words] == [f"w{number}" for number in range(1, 11)]
    assert [(mark.kind, mark.onset_s) for mark in seen.marks] == [("interruption", 4 * 0.08)]
    assert seen.heard == (Word("which floor", 0.0, 4 * 0.08),)
    assert seen.hold == ((8 * 0.08, 10 * 0.08),)
    for path in tmp_path.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, f"{path} can be read by others"


def test_a_bag_is_what_the_node_published(tmp_path: Path) -> None:
    bag = RosBag(RATE, "mouth", lambda name: f"/robot1/{name}")
    writer = FolderWriter(tmp_path, RATE, "", {}, bag)
    for number in range(1, 101):
        writer.frame(frame(number))
    writer.happened(State(user_speaking=True))
    writer.happened(Piece(START_NS + 101 * FRAME_NS, 99, 40, " Hello"))
    writer.happened(TurnEvent("user_started", START_NS, START_NS + 100, 0.5))
    writer.happened(Utterance(START_NS, START_NS + 5, "Hello", False))
    writer.finish("it is over")

    messages = read_bag(tmp_path / "bag")
    counts = {topic: len(found) for topic, found in messages.items()}
    assert set(counts) == {f"/robot1/{topic}" for topic in TOPICS}
    assert counts["/robot1/audio_in"] == counts["/robot1/audio_out"] == 100
    assert counts["/robot1/user_speaking"] == 2, "what it was at the begin, and what it became"
    assert counts["/robot1/motion_hold"] == counts["/robot1/text"] == 1
    heard, said = messages["/robot1/audio_in"][41], messages["/robot1/audio_out"][41]
    assert (heard.sample_rate, heard.channels, heard.first_sample) == (RATE, 1, 41 * FRAME)
    assert (heard.data == float32_to_int16(sound(42))).all()
    assert (said.data == float32_to_int16(sound(1042))).all()
    stamps = [m.header.stamp.sec * 10**9 + m.header.stamp.nanosec for m in (heard, said)]
    assert stamps == [START_NS + 42 * FRAME_NS, START_NS + 43 * FRAME_NS]
    (word,) = messages["/robot1/text"]
    assert (word.text, word.token, word.frame, word.header.frame_id) == (" Hello", 40, 99, "mouth")


@pytest.mark.parametrize("stamp_ns", [2**31 * 10**9 - 1, -(2**31) * 10**9], ids=["2038", "1901"])
def test_a_bag_takes_stamps_at_the_ends_of_what_a_message_holds(
    tmp_path: Path, stamp_ns: int
) -> None:
    writer = FolderWriter(tmp_path, RATE, "", {}, RosBag(RATE, "mouth", lambda name: f"/{name}"))
    writer.frame(replace(frame(1), stamp_ns=stamp_ns))
    writer.happened(TurnEvent("user_started", stamp_ns, stamp_ns + 10**18, 0.5))
    writer.finish("it is over")
    messages = read_bag(tmp_path / "bag")
    one = {topic: found[0] for topic, found in messages.items() if found}
    heard, said, event = (one[f"/{topic}"] for topic in ("audio_in", "audio_out", "turn_event"))
    assert heard.header.stamp.sec * 10**9 + heard.header.stamp.nanosec == stamp_ns
    assert (said.data == float32_to_int16(sound(1001))).all()
    assert event.latency.sec == 10**9


def read_bag(folder: Path) -> dict[str, list]:
    """Read a bag by what it says of its types itself."""
    messages: dict[str, list] = {}
    with Reader(folder) as reader:
        store = get_typestore(Stores.EMPTY)
        for connection in reader.connections:
            store.register(get_types_from_msg(connection.msgdef.data, connection.msgtype))
            messages[connection.topic] = []
            assert store.hash_rihs01(connection.msgtype) == connection.digest
        for connection, _, data in reader.messages():
            found = store.deserialize_cdr(data, connection.msgtype)
            messages[connection.topic].append(found)
        assert reader.message_count == sum(len(found) for found in messages.values())
    return messages


def test_a_killed_process_leaves_whole_files(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for round_ in range(2):
        folder = tmp_path / str(round_)
        child = subprocess.Popen(
            [sys.executable, str(PEER), str(folder)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None and "recording into" in child.stdout.readline()
        (recording,) = Archive(folder).recordings()
        wave_path = recording / "conversation.wav"
        wait_for(
            lambda path=wave_path: path.exists() and path.stat().st_size > 40 * FRAME * 4
        )  # flushed
        time.sleep(random.uniform(0.0, 0.6))
        child.kill()
        child.communicate()

        with wave.open(str(wave_path)) as file:
            assert file.getnchannels() == 2
            frames = file.getnframes() / FRAME
            assert len(file.readframes(file.getnframes())) == 4 * file.getnframes()
        assert frames > 10
        kinds = Counter(line["type"] for line in read_lines(recording / "events.jsonl"))
        assert frames - 2 <= kinds["text"] <= frames + 2
        assert "end" not in kinds
        assert not (recording / "bag" / "metadata.yaml").exists()
        if round_ < 1:
            assert complete_bag(recording)
        else:
            assert main(["timeline", str(recording)]) == 0
            assert "completed" in capsys.readouterr().out
            assert (recording / "timeline.png").stat().st_size > 10_000
        heard = read_bag(recording / "bag")["/audio_in"]
        assert len(heard) >= frames - 2.0 / 0.08 - 1, "more than the last two seconds are lost"
        assert not complete_bag(recording), "it was completed already"


def test_a_bag_that_is_cut_anywhere_is_read_up_to_there(tmp_path: Path) -> None:
    writer = FolderWriter(tmp_path, RATE, "", {}, RosBag(RATE, "mouth", lambda name: f"/{name}"))
    for number in range(1, 101):
        writer.frame(frame(number))
    writer.finish("it is over")
    store = tmp_path / "bag" / "bag_0.mcap"
    whole = store.read_bytes()
    chance = random.Random(3)
    before = 0
    for length in sorted([9, 30, 60, *(chance.randrange(len(whole)) for _ in range(12))]):
        store.write_bytes(whole[:length])
        (tmp_path / "bag" / "metadata.yaml").unlink()
        assert complete_bag(tmp_path)
        found = len(read_bag(tmp_path / "bag").get("/audio_in", []))
        assert before <= found <= 100
        before = found
    assert before > 0


def test_a_bag_that_cannot_be_completed_is_told_and_leaves_the_others(tmp_path: Path) -> None:
    diary = Diary(tmp_path)
    diary.journal._bag = RosBag(RATE, "mouth", lambda name: f"/{name}")
    for _ in range(3):
        diary.talk(0.4)
        diary.journal.next_conversation("another")
    first, second, third = diary.recordings
    (first / "bag" / "bag_0.mcap").write_bytes(b"noise")
    (first / "bag" / ".bag_0.mcap.part").mkdir()
    for path in (first, second, third):
        (path / "bag" / "metadata.yaml").unlink()
    assert [problem for _, problem in diary.archive.complete_bags(10**18)] == [
        f"there is no room on the disk of {tmp_path}"
    ] * 3
    tried = dict(diary.archive.complete_bags(0))
    assert list(tried) == [first, second, third]
    assert tried[first] and not tried[second] and not tried[third]
    assert len(read_bag(third / "bag")["/audio_in"]) == 5


def test_a_disk_that_takes_no_more_ends_the_recording_alone(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, str(PEER), str(tmp_path), "1000000"], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    try:
        told = [child.stdout.readline() for _ in range(4)]
    finally:
        child.kill()
        child.communicate()
    assert told[0].startswith("info recording into") and told[1] == "recording True\n"
    assert told[2].startswith("error the recording ended after 10 s: cannot write ")
    assert "larger than is allowed" in told[2] and "the conversation goes on" in told[2]
    assert told[3] == "recording False\n", "it says that it no longer records"
    (recording,) = Archive(tmp_path).recordings()
    assert read_folder(recording).duration_s == pytest.approx(10.4, abs=0.1)
    assert complete_bag(recording)
    assert len(read_bag(recording / "bag")["/audio_in"]) >= 100


def test_room_is_left_for_others(tmp_path: Path) -> None:
    diary = Diary(tmp_path, Limits(600.0, 10**9, 10**10, reserve=10**18))
    diary.talk(0.4)
    (line,) = diary.lines
    assert line[0] == "error" and "are to stay free; make room" in line[1]
    assert str(tmp_path) in line[1] and "the conversation goes on" in line[1]
    assert diary.recordings == []
    assert "are to stay free" in diary.journal.state.problem


def test_a_recording_that_must_leave_room_is_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("personaplex_ros.recording.journal.ROOM_S", 0.0)
    diary = Diary(tmp_path)
    diary.journal._bag = RosBag(RATE, "mouth", lambda name: f"/{name}")
    diary.talk(1.6)
    monkeypatch.setattr(diary.archive, "free", lambda: -1)
    diary.talk(0.8)
    (recording,) = diary.recordings
    assert diary.lines[-1][0] == "error" and "after 2 s" in diary.lines[-1][1]
    assert "are to stay free" in list(read_lines(recording / "events.jsonl"))[-1]["why"]
    assert len(read_bag(recording / "bag")["/audio_in"]) == 20


def test_it_is_tried_again_with_the_next_conversation(tmp_path: Path) -> None:
    folder = tmp_path / "file" / "recordings"
    folder.parent.write_text("in the way")
    diary = Diary(folder)
    diary.talk(0.4)
    assert [level for level, _ in diary.lines] == ["error"], "told once"
    folder.parent.unlink()
    diary.talk(0.4)
    assert diary.recordings == []
    diary.journal.next_conversation("~/reset")
    diary.talk(0.4)
    assert diary.journal.state.problem == "" and len(diary.recordings) == 1


def test_a_long_conversation_goes_on_in_other_folders(tmp_path: Path) -> None:
    by_time = Diary(tmp_path / "time", Limits(2.0, 10**9, 10**10, 0))
    by_size = Diary(tmp_path / "size", Limits(600.0, 192_000, 10**10, 0))
    for diary in (by_time, by_size):
        diary.talk(5.0)
        diary.journal.end("it is over")
        lengths = [read_folder(path).duration_s for path in diary.recordings]
        assert lengths == pytest.approx([2.08, 2.08, 1.0], abs=0.1)
        heads = [next(read_lines(path / "events.jsonl")) for path in diary.recordings]
        assert [head["part"] for head in heads] == [1, 2, 3]
        last = list(read_lines(diary.recordings[0] / "events.jsonl"))[-1]
        assert last["why"] == "it goes on in another folder, as part 2"


def test_the_oldest_recordings_make_way(tmp_path: Path) -> None:
    own = tmp_path / "notes.txt"
    own.write_text("not a recording")
    foreign = tmp_path / "2020-01-01T00-00-00Z_thesis"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("not a recording, for all its name")
    kept = tmp_path / "2020-01-01T00-00-01Z_robot2"
    kept.mkdir()
    writer = FolderWriter(kept, RATE, "another robot's, which is being written", {})
    old = tmp_path / "2020-01-02T00-00-00Z_robot1"
    old.mkdir()
    FolderWriter(old, RATE, "", {}).finish("long ago")
    (old / "comment.txt").write_text("somebody's")

    diary = Diary(tmp_path, Limits(1.0, 10**9, 400_000, 0))
    diary.talk(20.0)
    diary.journal.end("it is over")
    assert own.exists() and (foreign / "thesis.txt").exists()
    assert (kept / "events.jsonl").exists()
    assert [path.name for path in old.iterdir()] == ["comment.txt"]
    taken = sum(path.stat().st_size for r in diary.recordings for path in r.rglob("*"))
    assert taken < 500_000
    assert any("deleted the oldest" in line for _, line in diary.lines)
    assert diary.journal.state.deleted > 10
    writer.finish("now")


def test_thousands_of_recordings_are_not_counted_over_and_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("personaplex_ros.recording.journal.ROOM_S", 0.0)
    diary, looks = Diary(tmp_path), []
    look = diary.archive.make_room
    monkeypatch.setattr(diary.archive, "make_room", lambda *all: looks.append(1) or look(*all))
    diary.talk(5.0)
    assert len(looks) == 1


def test_consent_that_is_asked_for_holds_for_one_conversation(tmp_path: Path) -> None:
    diary = Diary(tmp_path, ask=True)
    diary.talk(0.4)
    assert diary.recordings == []
    diary.journal.consent(True)
    diary.talk(0.8)
    assert len(diary.recordings) == 1
    diary.journal.next_conversation("another person")
    diary.talk(0.4)
    assert len(diary.recordings) == 1
    diary.journal.consent(True)
    diary.talk(0.4)
    diary.journal.consent(False)
    diary.talk(0.4)
    lengths = [read_folder(path).duration_s for path in diary.recordings]
    assert lengths == pytest.approx([0.88, 0.48], abs=0.01)
    last = list(read_lines(diary.recordings[-1] / "events.jsonl"))[-1]
    assert last["why"] == "consent was withdrawn"


def test_consent_that_is_given_stays_until_it_is_withdrawn(tmp_path: Path) -> None:
    diary = Diary(tmp_path)
    for _ in range(2):
        diary.talk(0.4)
        diary.journal.next_conversation("another person")
    diary.journal.consent(False)
    diary.talk(0.4)
    diary.journal.next_conversation("another person")
    diary.talk(0.4)
    assert len(diary.recordings) == 2


def test_who_withdraws_consent_is_answered_when_the_light_is_out(tmp_path: Path) -> None:
    diary, light = Diary(tmp_path), [False]

    def follow(recording: bool) -> None:
        time.sleep(0.05)
        light.append(recording)

    recorder = Recorder(diary.journal, follow)
    recorder.frame(START_NS, sound(1), sound(1))
    wait_for(lambda: light[-1])
    recorder.allow(False, 10.0)
    assert light == [False, True, False]
    recorder.close()


def test_a_disk_that_is_too_slow_holds_up_nobody(tmp_path: Path) -> None:
    diary = Diary(tmp_path)
    slow = threading.Event()
    diary.journal.next_conversation = lambda why: slow.wait(10.0)  # type: ignore[method-assign]
    recorder = Recorder(diary.journal, lambda recording: None)
    samples = sound(1)
    recorder.frame(START_NS, samples, samples)
    recorder.ended("and now the disk is stuck", next=True)
    begun = time.perf_counter()
    for number in range(1, 1501):
        recorder.frame(START_NS + number * FRAME_NS, samples, samples)
    assert time.perf_counter() - begun < 5.0  # the disk takes 10 s
    assert 500 <= recorder.dropped <= 502
    slow.set()
    wait_for(lambda: len(recorder._queue) == 0)
    recorder.frame(START_NS + 1501 * FRAME_NS, samples, samples)
    recorder.close()
    (recording,) = diary.recordings
    lost = [line for line in read_lines(recording / "events.jsonl") if line["type"] == "lost"]
    assert sum(line["seconds"] for line in lost) == pytest.approx(recorder.dropped * 0.08)
    assert read_folder(recording).duration_s == pytest.approx(1503 * 0.08)


def test_the_present_and_what_it_tells_follow_the_recorder(tmp_path: Path) -> None:
    diary, told = Diary(tmp_path, ask=True), []
    recorder = Recorder(diary.journal, told.append)
    samples = sound(1)
    recorder.frame(START_NS, samples, samples)
    assert recorder.allow(True, 5.0).consent
    recorder.frame(START_NS + FRAME_NS, samples, samples)
    wait_for(lambda: told == [True])
    recorder.ended("another person", next=True)
    wait_for(lambda: told == [True, False])
    assert not recorder.state.consent
    assert recorder.allow(True, 5.0).consent
    recorder.frame(START_NS + 2 * FRAME_NS, samples, samples)
    recorder.close()
    assert told == [True, False, True, False]
    assert len(diary.recordings) == 2


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("events.jsonl", None, "is no recording: it has no events.jsonl"),
        ("conversation.wav", None, "is no recording: it has no conversation.wav"),
        ("events.jsonl", '{"type": "text"}\n', "events.jsonl:1: not a line of a recording"),
        ("events.jsonl", "[1]\n", "events.jsonl:1: not a line of a recording"),
        ("events.jsonl", '{"type": "text", "t": 0.0}\n', "a line of type text"),
        ("events.jsonl", "[" * 100_000 + "\n", "events.jsonl:1: not a line of a recording"),
        ("events.jsonl", EVENT.format(decided=-5), ": mark 'backchannel' has the time -5.0 s"),
        ("events.jsonl", EVENT.format(decided='"soon"'), "a line of type turn_event: could not"),
        ("conversation.wav", "noise", "cannot be read as a sound file"),
    ],
)
def test_what_is_no_recording_is_refused_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture, name: str, content: str | None, told: str
) -> None:
    writer = FolderWriter(tmp_path, RATE, "", {})
    writer.frame(frame(1))
    writer.finish("it is over")
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_text(content)
    assert main(["timeline", str(tmp_path)]) == 2
    assert told in capsys.readouterr().err


def test_a_recording_on_a_full_disk_is_drawn_elsewhere(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = tmp_path / "recording"
    recording.mkdir()
    writer = FolderWriter(recording, RATE, "", {}, RosBag(RATE, "mouth", lambda name: f"/{name}"))
    writer.frame(frame(1))
    writer.abandon()

    def full(*_: object) -> int:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("personaplex_ros.recording.growing_file.os.pwrite", full)
    assert main(["timeline", str(recording), "--output", str(tmp_path / "talk.png")]) == 0
    told = capsys.readouterr()
    assert "stays incomplete: cannot write" in told.err and "no space left" in told.err
    assert (tmp_path / "talk.png").stat().st_size > 10_000


def test_a_line_that_was_cut_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(json.dumps({"type": "text", "t": 0.5, "text": " Hello"}) + '\n{"type": "te')
    assert [line["text"] for line in read_lines(path)] == [" Hello"]


def test_files_of_a_recording_are_never_written_over(tmp_path: Path) -> None:
    os.symlink("/etc/passwd", tmp_path / "events.jsonl")
    with pytest.raises(OSError, match="cannot write"):
        FolderWriter(tmp_path, RATE, "", {})


def test_what_was_not_heard_moves_nothing_that_was() -> None:
    places = Places(RATE)
    second = 10**9
    for sample, stamp in ((0, 0), (24_000, second), (48_000, 5 * second), (72_000, 6 * second)):
        places.add(START_NS + stamp, sample)
    at = [places.seconds(START_NS + round(s * second)) for s in (-1.0, 0.5, 1.5, 3.0, 5.0, 6.5)]
    assert at == pytest.approx([-1.0, 0.5, 1.5, 2.0, 2.0, 3.5])
    places.add(0, 96_000)  # the clock was set back by years
    assert places.seconds(second) == pytest.approx(5.0)
