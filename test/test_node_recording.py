"""The node records: what it heard and said, with consent, and never at the conversation's cost."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from node_support import FRAME, FRAME_NS, RATE, Robot, robot
from test_recording import read_bag

from personaplex_ros.node.parameters.definition import ParameterError
from personaplex_ros.recording import Archive, read_lines
from personaplex_ros.recording.reading import read_folder

RECORD = "~/record"


def recordings(folder: Path) -> list[Path]:
    return Archive(folder).recordings()


def lit(r: Robot) -> bool:
    """Return whether the light that follows the topic `recording` is on."""
    return r.bus.topics["recording"][-1].data


def consent(r: Robot, given: bool) -> SimpleNamespace:
    return r.bus.call(RECORD, data=given)


def test_a_conversation_is_recorded_as_it_was_heard_said_and_published(tmp_path: Path) -> None:
    folder = tmp_path / "recordings"
    with robot(record=str(folder)) as r:
        r.hear(3, level=0)
        r.hear(27, level=5000)
        r.hear(20, level=0)
        r.bus.wait_for(lambda: lit(r))
        assert r.bus.qos["recording"].transient_local
        status = r.bus.wait_for(lambda: r.bus.diagnostics().get("recording"))
        assert (status.level, status.values["recording"]) == (0, "true")
        assert status.values["folder"].startswith(str(folder))
        published = {topic: list(messages) for topic, messages in r.bus.topics.items()}
    assert not lit(r), "the light goes out with the node"
    (recording,) = recordings(folder)
    assert recording.name.endswith("Z_personaplex")
    wave, rate = soundfile.read(recording / "conversation.wav", dtype="int16")
    assert rate == RATE and len(wave) == 51 * FRAME
    assert (wave[3 * FRAME : 30 * FRAME, 0] == 5000).all() and not wave[: 3 * FRAME, 0].any()
    # The fake robot echoes a frame later, and what it says is heard when the frame has ended.
    assert (wave[5 * FRAME : 32 * FRAME, 1] == 5000).all() and not wave[: 5 * FRAME, 1].any()

    lines = list(read_lines(recording / "events.jsonl"))
    assert lines[0]["title"] == "receptionist" and lines[-1]["why"] == "the conversation was paused"
    told = [line for line in lines if line["type"] == "turn_event"]
    events = r.bus.topics["turn_event"]
    assert [line["kind"] for line in told] == [event.kind for event in events] != []
    start_ns = lines[0]["stamp_ns"]
    for line, event in zip(told, events, strict=True):
        onset = event.header.stamp.sec * 10**9 + event.header.stamp.nanosec
        assert line["t"] == pytest.approx((onset - start_ns) / 1e9, abs=0.001)
    words = [line["text"] for line in lines if line["type"] == "text"]
    assert words == [message.text for message in published["text"]] != []
    assert [word.text for word in read_folder(recording).words] == [w.strip() for w in words]

    bag = read_bag(recording / "bag")
    for topic in ("audio_out", "text", "transcript", "turn_event"):
        assert len(bag[f"/{topic}"]) == len(r.bus.topics[topic]), topic
    assert len(bag["/audio_in"]) == 50
    for ours, theirs in zip(bag["/audio_out"], r.bus.topics["audio_out"], strict=True):
        assert (ours.data == theirs.data).all() and ours.first_sample == theirs.first_sample
        assert ours.header.stamp.nanosec == theirs.header.stamp.nanosec
    for ours, theirs in zip(bag["/turn_event"], r.bus.topics["turn_event"], strict=True):
        assert (ours.kind, ours.episode, ours.state) == (theirs.kind, theirs.episode, theirs.state)
        assert ours.latency.nanosec == theirs.latency.nanosec
    assert [message.data for message in bag["/robot_speaking"]] == [False, True, False]


def test_nothing_is_recorded_unless_it_is_asked_for(tmp_path: Path) -> None:
    with robot() as r:
        r.hear(5)
        assert not lit(r)
        answer = consent(r, True)
        assert not answer.success and "the parameter record is off" in answer.message
        assert "recording" not in r.bus.diagnostics()
    assert len(r.bus.topics["audio_out"]) == 5


def test_every_conversation_has_a_folder_of_its_own(tmp_path: Path) -> None:
    with robot(record=str(tmp_path)) as r:
        r.hear(5)
        assert r.bus.call("~/reset").success
        r.hear(6)
        r.conversation.deactivate()
        r.conversation.activate()
        r.next_sample = r.next_stamp_ns = 0
        r.hear(7)
        assert r.bus.call("~/set_persona", persona="casual").success
        r.hear(8)
    found = [
        (read_folder(path).duration_s, read_folder(path).title) for path in recordings(tmp_path)
    ]
    assert [round(seconds / 0.08) - 1 for seconds, _ in found] == [5, 6, 7, 8]
    assert [title for _, title in found] == ["receptionist"] * 3 + ["casual"]


def test_consent_is_a_switch(tmp_path: Path) -> None:
    with robot(record=str(tmp_path), record_consent="ask") as r:
        r.hear(5)
        assert not lit(r)
        assert "waits for consent" in r.bus.diagnostics()["recording"].message
        assert consent(r, True).success
        r.hear(6)
        r.bus.wait_for(lambda: lit(r))
        answer = consent(r, False)
        assert answer.success and str(tmp_path) in answer.message
        assert not lit(r)
        r.hear(5)
        assert consent(r, True).success
        r.hear(7)
        assert r.bus.call("~/reset").success, "another person, who was not asked"
        r.hear(5)
        r.bus.wait_for(lambda: not lit(r))
        assert len(r.bus.topics["audio_out"]) == 28, "it talks all the while"
    lengths = [read_folder(path).duration_s for path in recordings(tmp_path)]
    assert [round(seconds / 0.08) - 1 for seconds in lengths] == [6, 7]


def test_a_folder_that_cannot_be_written_is_refused_before_the_model_is_loaded(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").write_text("")
    with robot(activate=False, record=str(tmp_path / "file")) as r:
        with pytest.raises(ParameterError, match=r"record is '.*file': cannot write into .*file"):
            r.conversation.configure()
        assert r.engine.sessions == []


@pytest.mark.parametrize("gone", ["disk", "reserve"])
def test_a_disk_that_fails_ends_the_recording_and_not_the_conversation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gone: str
) -> None:
    folder = tmp_path / "recordings"
    reserve = {"record_reserve_mb": 100_000_000} if gone == "reserve" else {}
    with robot(record=str(folder), **reserve) as r:
        if gone == "disk":
            r.hear(5)
            r.bus.wait_for(lambda: lit(r))
            fail_to_write(monkeypatch)
        r.hear(10)
        r.bus.wait_for_log("the conversation goes on")
        r.bus.wait_for(lambda: not lit(r))
        status = r.bus.diagnostics()["recording"]
        told = "no space left" if gone == "disk" else "are to stay free"
        assert status.level == 2 and told in status.message
        r.hear(10)
        assert len([line for line in r.bus.lines if line[0] == "error"]) == 1, "told once"
        answer = consent(r, True)
        assert answer.success is (gone == "disk"), answer.message
        monkeypatch.undo()
        r.hear(5)
        if gone == "disk":
            r.bus.wait_for(lambda: lit(r))
            assert r.bus.diagnostics()["recording"].level == 0
        assert r.frames == len(r.bus.topics["audio_out"]) == (30 if gone == "disk" else 25)


def fail_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("personaplex_ros.recording.growing_file.os.pwrite", full)


def test_what_a_killed_node_left_is_completed_by_the_next(tmp_path: Path) -> None:
    with robot(record=str(tmp_path)) as r:
        r.hear(30)
    (recording,) = recordings(tmp_path)
    store = recording / "bag" / "bag_0.mcap"
    (recording / "bag" / "metadata.yaml").unlink()
    store.write_bytes(store.read_bytes()[:-500])
    with robot(record=str(tmp_path)) as r:
        assert f"completed the bag of {recording}" in r.bus.wait_for_log("completed")
        r.hear(5)
    assert len(read_bag(recording / "bag")["/audio_in"]) >= 25


def test_silence_in_place_of_audio_is_recorded_as_the_model_heard_it(tmp_path: Path) -> None:
    with robot(record=str(tmp_path), late_audio_timeout_s=0.1) as r:
        r.hear(3, level=3000)
        r.bus.wait_for(lambda: r.frames >= 6)
    (recording,) = recordings(tmp_path)
    wave, _ = soundfile.read(recording / "conversation.wav", dtype="int16")
    assert (wave[: 3 * FRAME, 0] == 3000).all() and not wave[3 * FRAME :, 0].any()
    assert len(wave) >= 7 * FRAME


def test_recording_holds_the_model_s_thread_up_nowhere(tmp_path: Path) -> None:
    samples = np.zeros(FRAME, np.float32)
    with robot(record=str(tmp_path)) as r:
        r.hear(1)
        outputs = r.conversation._stage.configured.outputs
        taken = []
        for number in range(200):
            begun = time.perf_counter()
            outputs.exchanged(number * FRAME_NS, samples, samples)
            taken.append(time.perf_counter() - begun)
    assert np.median(taken) < 20e-6
