"""Stated results of what goes wrong: audio that is late or faulty, a failing or stuck model."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from node_support import FRAME, FRAME_NS, RATE, Robot, robot, stamps

from personaplex_ros.node.parameters.definition import State

pytestmark = pytest.mark.alone

DEMO = Path(__file__).resolve().parent.parent / "config" / "demo"


def counted(r: Robot, name: str) -> int:
    return int(r.bus.diagnostics()["microphone"].values[name])


def heard(r: Robot) -> np.ndarray:
    return np.concatenate(r.session.heard) * 32768


def test_late_audio_is_replaced_by_silence_at_the_pace_of_frames():
    with robot(late_audio_timeout_s=0.1) as r:
        r.hear(2)
        begin = time.monotonic()
        r.bus.wait_for(lambda: len(r.bus.topics["audio_out"]) == 12)
        took = time.monotonic() - begin
        # 0.1 s until the first silent frame, then nine more of 0.08 s.
        assert 0.1 + 9 * 0.08 - 0.05 < took < 0.1 + 9 * 0.08 + 0.3
        assert list(np.diff(stamps(r.bus.topics["audio_out"]))) == [FRAME_NS] * 11
        assert not heard(r)[2 * FRAME :].any()
        assert counted(r, "filled frames") >= 10
        status = r.bus.diagnostics()["microphone"]
        assert status.level == 1


def test_the_robot_can_speak_before_any_audio_came():
    with robot(late_audio_timeout_s=0.1) as r:
        r.bus.wait_for(lambda: len(r.bus.topics["audio_out"]) == 3)
        assert abs(stamps(r.bus.topics["audio_out"])[0] - time.time_ns()) < 2_000_000_000
        assert "no audio has come yet" in r.bus.diagnostics()["microphone"].message


def test_audio_that_comes_after_its_silence_is_dropped_and_does_not_delay():
    with robot(late_audio_timeout_s=0.1) as r:
        r.hear(1)
        r.bus.wait_for(lambda: len(r.bus.topics["audio_out"]) == 3)
        for _ in range(2):
            r.send(r.audio(np.full(FRAME, 500)))
        r.bus.wait_for(lambda: counted(r, "late samples") >= 2 * FRAME)


def test_backlog_is_skipped_so_that_the_robot_answers_the_present():
    with robot(max_backlog_frames=3) as r:
        go_on = threading.Event()
        r.session.before_push = lambda step: go_on.wait(10.0) and None
        for level in range(1, 11):
            r.send(r.audio(np.full(FRAME, level)))
        assert counted(r, "skipped frames") > 0
        assert float(r.bus.diagnostics()["microphone"].values["waiting"].split()[0]) <= 3 * 80
        go_on.set()
        r.bus.wait_for(lambda: r.session.heard and heard(r)[-1] == 10)
        assert len(r.session.heard) + counted(r, "skipped frames") == 10


def test_not_a_number_becomes_silence_and_is_counted():
    with robot(audio_in_type="audio_common_msgs/msg/AudioStamped") as r:
        msg = r.bus.message("audio_common_msgs/msg/AudioStamped")()
        samples = np.full(FRAME, 0.5, np.float32)
        samples[10:20] = np.nan
        msg.audio.audio_data.float32_data = samples
        msg.audio.info.format, msg.audio.info.channels, msg.audio.info.rate = 1, 1, RATE
        r.send(msg)
        r.bus.wait_for(lambda: r.bus.topics["audio_out"])
        assert not heard(r)[10:20].any() and (heard(r)[20:] == 16384).all()
        assert counted(r, "nan samples") == 10


@pytest.mark.parametrize(("frames", "counter"), [(0, "empty"), (30 * RATE // FRAME, "oversized")])
def test_empty_and_oversized_messages_are_ignored_and_counted(frames: int, counter: str):
    with robot() as r:
        r.send(r.audio(np.zeros(frames * FRAME), first_sample=0))
        assert counted(r, counter) == 1
        assert r.bus.diagnostics()["microphone"].values["last problem"].startswith(counter)
        r.next_sample = 0
        r.hear(1)


def test_a_gap_in_the_sample_index_is_filled_with_silence():
    with robot(max_gap_fill_s=0.5, lost_audio="silence") as r:
        r.hear(1, level=100)
        r.next_sample += FRAME
        r.next_stamp_ns += FRAME_NS
        r.send(r.audio(np.full(FRAME, 300)))
        r.bus.wait_for(lambda: len(r.bus.topics["audio_out"]) == 3)
        assert [int(frame[0] * 32768) for frame in r.session.heard] == [100, 0, 300]
        assert counted(r, "gaps") == 1 and counted(r, "gap samples") == FRAME


def test_a_long_gap_begins_the_stream_anew():
    with robot(max_gap_fill_s=0.5) as r:
        r.hear(1)
        r.next_sample += RATE
        r.next_stamp_ns += 1_000_000_000
        r.hear(1)
        assert counted(r, "restarts") == 1 and counted(r, "gap samples") == 0
        assert r.session.steps == 2


def test_a_changed_format_is_followed_and_counted():
    with robot() as r:
        r.hear(1, level=1000)
        stereo = np.full(2 * FRAME * 2, 2000)  # 80 ms at 48 kHz, two channels
        for _ in range(4):
            r.send(r.audio(stereo, rate=48_000, channels=2))
        r.bus.wait_for(lambda: r.frames >= 4)
        assert counted(r, "format changes") == 1
        assert heard(r)[-FRAME // 2 :] == pytest.approx(2000, abs=20)


def test_a_publisher_that_vanishes_and_comes_back_is_heard_again():
    with robot(source_timeout_s=0.2, late_audio_timeout_s=0.1) as r:
        r.hear(2, level=100)
        r.bus.wait_for(lambda: len(r.bus.topics["audio_out"]) >= 8)
        r.next_sample, r.next_stamp_ns = 0, time.time_ns()
        begin = time.monotonic()
        while not (heard(r) == 700).any():
            assert time.monotonic() < begin + 5.0
            r.send(r.audio(np.full(FRAME, 700)), publisher="the same one, started again")
            time.sleep(0.08)
        assert counted(r, "source changes") == 1


def test_of_two_publishers_the_first_is_heard_and_the_other_counted():
    with robot() as r:
        other_sample = 1_000_000
        for _ in range(4):
            answered = r.frames
            msg = r.audio(np.full(FRAME, 9000), first_sample=other_sample)
            other_sample += FRAME
            r.next_sample = len(r.session.heard) * FRAME
            r.next_stamp_ns -= FRAME_NS
            r.send(r.audio(np.full(FRAME, 100)), publisher="first")
            r.send(msg, publisher="second")
            r.bus.wait_for(lambda n=answered: r.frames > n)
        assert (heard(r) == 100).all()
        assert counted(r, "second publisher") == 4
        assert "second publisher" in r.bus.diagnostics()["microphone"].values["last problem"]


def test_two_publishers_are_told_apart_where_the_middleware_does_not_name_them():
    with robot() as r:
        for turn in range(4):
            answered = r.frames
            r.next_stamp_ns = time.time_ns() if turn == 0 else r.next_stamp_ns
            stamp_ns = r.next_stamp_ns
            r.send(r.audio(np.full(FRAME, 100), first_sample=turn * FRAME), publisher="")
            r.next_stamp_ns = stamp_ns
            late = r.audio(np.full(FRAME, 9000), first_sample=(1000 + turn) * FRAME)
            r.send(late, publisher="")
            r.bus.wait_for(lambda n=answered: r.frames > n)
        assert (heard(r) == 100).all()
        assert counted(r, "second publisher") == 4


def test_compressed_audio_is_refused_with_the_remedy():
    with robot(audio_in_type="audio_common_msgs/msg/AudioData") as r:
        info = r.bus.message("audio_common_msgs/msg/AudioInfo")()
        info.coding_format, info.sample_format = "mp3", "S16LE"
        r.bus.callbacks["audio_in_info"](info, "driver")
        msg = r.bus.message("audio_common_msgs/msg/AudioData")()
        msg.data = np.zeros(417, np.uint8)
        for _ in range(3):
            r.send(msg)
        assert counted(r, "unreadable messages") == 3
        remedies = [line for level, line in r.bus.lines if level == "error"]
        assert len(remedies) == 1 and "format:=wave" in remedies[0]


def fail_at(r: Robot, *steps: int) -> None:
    def fail(step: int) -> None:
        if step in steps:
            raise ArithmeticError("the model lost its mind")

    r.session.before_push = fail


def test_a_fault_of_the_model_begins_the_conversation_again():
    with robot(seed=3) as r:
        fail_at(r, 2)
        r.hear(2)
        r.bus.diagnostics()
        r.send(r.audio(np.full(FRAME, 1)))
        r.bus.wait_for_log("began a new conversation (restart 1 of 3)")
        status = r.bus.diagnostics()["conversation"]
        assert status.level == 2 and "lost its mind" in status.message
        assert status.values["faults"] == "1"
        r.hear(2)
        assert r.session.starts == [("receptionist", 3)]
        assert r.bus.diagnostics()["conversation"].level == 0


def test_after_the_stated_number_of_restarts_the_robot_stays_silent_until_reset():
    with robot(max_model_restarts=2) as r:
        fail_at(r, 0)
        statistics = r.conversation._stage.running.thread.statistics  # type: ignore[union-attr]
        for fault in (1, 2, 3):
            r.send(r.audio(np.full(FRAME, 1)))
            r.bus.wait_for(lambda n=fault: statistics.faults == n)
        r.bus.wait_for_log("stays silent after 3 faults")
        for _ in range(3):
            r.send(r.audio(np.full(FRAME, 1)))
        status = r.bus.diagnostics()["conversation"]
        assert status.level == 2 and "call ~/reset" in status.message
        assert not r.bus.topics["audio_out"]
        assert not r.bus.topics["motion_hold"][-1].data
        fail_at(r)
        assert r.bus.call("~/reset").success
        r.hear(2)
        assert r.bus.diagnostics()["conversation"].level == 0


def test_a_restart_that_fails_is_told_and_not_tried_for_ever():
    with robot() as r:
        fail_at(r, 0)

        def no_restart(persona: Any = None, seed: Any = None) -> None:
            raise RuntimeError("the device is gone")

        r.session.restart = no_restart  # type: ignore[method-assign]
        r.send(r.audio(np.full(FRAME, 1)))
        r.bus.wait_for_log("stays silent")
        assert "the device is gone" in r.bus.diagnostics()["conversation"].message


def test_shutdown_does_not_wait_for_a_stuck_model(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("personaplex_ros.node.conversation.STOP_TIMEOUT_S", 0.2)
    go_on = threading.Event()
    with robot() as r:
        r.session.before_push = lambda step: go_on.wait(10.0) and None
        r.send(r.audio(np.full(FRAME, 1)))
        r.bus.wait_for(lambda: r.session.threads)
        begin = time.monotonic()
        r.conversation.shutdown()
        assert time.monotonic() - begin < 1.0
        go_on.set()
        time.sleep(0.1)
        assert not r.bus.topics["audio_out"]


def test_a_microphone_that_does_not_start_leaves_the_node_inactive(tmp_path: Path):
    path = tmp_path / "caller.wav"
    soundfile.write(path, np.zeros(RATE), RATE)
    with robot(activate=False, audio_source=f"file:{path}") as r:
        r.conversation.configure()
        path.unlink()
        with pytest.raises(FileNotFoundError):
            r.conversation.activate()
        assert r.conversation.state is State.INACTIVE
        soundfile.write(path, np.zeros(RATE), RATE)
        r.conversation.activate()
        r.bus.wait_for(lambda: r.bus.topics["audio_out"])


def test_a_stuck_model_is_not_started_twice(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("personaplex_ros.node.conversation.STOP_TIMEOUT_S", 0.1)
    go_on = threading.Event()
    with robot() as r:
        r.session.before_push = lambda step: go_on.wait(10.0) and None
        r.send(r.audio(np.full(FRAME, 1)))
        r.bus.wait_for(lambda: r.session.threads)
        r.conversation.deactivate()
        with pytest.raises(RuntimeError, match="still busy"):
            r.conversation.activate()
        assert "still busy" in r.bus.call("~/reset").message
        stuck = r.conversation._stage.stuck
        go_on.set()
        r.bus.wait_for(lambda: not stuck.alive)  # type: ignore[union-attr]
        r.conversation.activate()
        r.hear(1)


def test_services_answer_when_the_model_is_stuck(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("personaplex_ros.node.requests.queue.REQUEST_TIMEOUT_S", 0.2)
    monkeypatch.setattr("personaplex_ros.node.conversation.STOP_TIMEOUT_S", 0.2)
    go_on = threading.Event()
    with robot() as r:
        r.session.before_push = lambda step: go_on.wait(10.0) and None
        r.send(r.audio(np.full(FRAME, 1)))
        r.bus.wait_for(lambda: r.session.threads)
        response = r.bus.call("~/reset")
        assert not response.success and "did not come to an end of its frame" in response.message
        go_on.set()
        r.hear(1)
        assert r.session.starts == [], "a request that was given up must not run later"


def talk_over_the_robot(r: Robot) -> None:
    """Play the recorded caller while the robot hums without a pause, until the motion holds."""
    tone = (0.2 * np.sin(np.arange(FRAME) * 0.1)).astype(np.float32)
    r.session.speech = lambda frame: tone
    r.hear(12, level=0)
    samples, rate = soundfile.read(DEMO / "caller.wav", dtype="int16")
    assert rate == RATE
    truth = json.loads((DEMO / "caller.json").read_text())[0]
    for first in range(int(truth["start_s"] * RATE), int(truth["end_s"] * RATE), FRAME):
        answered = r.frames
        r.send(r.audio(samples[first : first + FRAME]))
        r.bus.wait_for(lambda n=answered: r.frames > n)
        if r.bus.topics["motion_hold"][-1].data:
            return
    pytest.fail("the caller's speech was not taken for an interruption")


def test_an_interruption_holds_the_motion_and_is_told_once():
    with robot() as r:
        talk_over_the_robot(r)
        assert [msg.data for msg in r.bus.topics["motion_hold"]] == [False, True]
        (event,) = [e for e in r.bus.topics["turn_event"] if e.kind == "interruption"]
        assert (event.state, event.revises) == ("suspected", "")
        assert 0 < event.latency.sec + event.latency.nanosec / 1e9 < 0.25
        assert 0.0 < event.confidence <= 1.0


def test_an_interruption_that_was_only_suspected_is_taken_back_when_the_conversation_pauses():
    with robot() as r:
        talk_over_the_robot(r)
        r.conversation.deactivate()
        events = r.bus.topics["turn_event"]
        (begun,) = [e for e in events if e.kind == "interruption"]
        (over,) = [e for e in events if e.revises == "interruption"]
        assert (over.kind, over.episode) == ("interruption_resolved", begun.episode)
        assert events[-1].kind != "user_started"
        assert not r.bus.topics["motion_hold"][-1].data


def test_motion_may_be_told_to_wait_until_an_interruption_is_confirmed():
    with robot(hold_on_suspicion=False) as r:
        talk_over_the_robot(r)
        states = [e.state for e in r.bus.topics["turn_event"] if e.kind == "interruption"]
        assert states == ["suspected", "confirmed"]
        assert any(msg.data for msg in r.bus.topics["user_speaking"])


def test_a_hold_ends_when_the_model_stalls_in_it():
    go_on = threading.Event()
    with robot(hold_timeout_s=0.5) as r:
        talk_over_the_robot(r)
        hold = r.bus.topics["motion_hold"]
        r.session.before_push = lambda step: go_on.wait(10.0) and None
        r.send(r.audio(np.zeros(FRAME)))
        r.bus.wait_for(lambda: r.bus.timers[0.1]() or not hold[-1].data)
        go_on.set()


def test_hold_ends_with_the_pause():
    with robot() as r:
        talk_over_the_robot(r)
        r.conversation.deactivate()
        assert not r.bus.topics["motion_hold"][-1].data


def test_late_frames_are_counted_and_warned_of():
    with robot() as r:
        r.session.before_push = lambda step: time.sleep(0.1 if step == 1 else 0.0)
        r.hear(3)
        status = r.bus.diagnostics()["model"]
        assert status.level == 1 and status.values["late frames"] == "1"
        assert float(status.values["model time max"].split()[0]) > 100.0
        assert float(status.values["overhead max"].split()[0]) < 80.0


@pytest.mark.parametrize("fault", [SystemExit("a library gave up"), RuntimeError("out of memory")])
def test_settings_that_the_model_does_not_take_are_a_fault_of_it(fault: BaseException):
    with robot() as r:
        r.hear(1)

        def refuse(sampling: Any) -> None:
            raise fault

        r.session.set_sampling = refuse  # type: ignore[method-assign]
        r.conversation.set_parameters({"text_temperature": 0.5})
        r.bus.wait_for_log("began a new conversation (restart 1 of 3)")
        assert str(fault) in r.bus.diagnostics()["conversation"].message
        r.hear(2)
        assert r.bus.call("~/reset").success


def test_a_model_that_does_not_come_back_is_an_error_that_is_told_once(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("personaplex_ros.node.model_thread.STALLED_S", 0.2)
    go_on = threading.Event()
    with robot() as r:
        r.session.before_push = lambda step: go_on.wait(10.0) and None
        r.send(r.audio(np.full(FRAME, 1)))
        r.bus.wait_for(lambda: r.conversation._stage.running.thread.trouble)  # type: ignore[union-attr]
        for _ in range(2):
            status = r.bus.diagnostics()["conversation"]
            assert status.level == 2 and "the model has not come back" in status.message
        assert len([1 for level, _ in r.bus.lines if level == "error"]) == 1
        go_on.set()
        r.hear(1)
        assert r.bus.diagnostics()["conversation"].level == 0


def no_log(level: str, text: str) -> None:
    raise OSError("the log's disk is full")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_has_ended_is_an_error_and_the_node_can_be_activated_anew():
    with robot() as r:
        r.hear(1)
        log, r.bus.log = r.bus.log, no_log  # type: ignore[method-assign]
        fail_at(r, 1)
        r.send(r.audio(np.full(FRAME, 1)))
        thread = r.conversation._stage.running.thread  # type: ignore[union-attr]
        r.bus.wait_for(lambda: not thread.alive)
        r.bus.log = log  # type: ignore[method-assign]
        status = r.bus.diagnostics()["conversation"]
        assert status.level == 2 and "has ended; deactivate and activate" in status.message
        r.bus.wait_for_log("the robot is silent: the thread of the model has ended")
        fail_at(r)
        r.conversation.deactivate()
        r.conversation.activate()
        r.hear(2)
        assert r.bus.diagnostics()["conversation"].level == 0


def test_a_thread_that_has_yet_to_start_is_no_fault(monkeypatch: pytest.MonkeyPatch):
    with robot(activate=False) as r:
        statuses = []
        start = threading.Thread.start

        def look(thread: threading.Thread) -> None:
            if thread.name == "model":
                statuses.append(r.bus.diagnostics()["conversation"])
            start(thread)

        monkeypatch.setattr(threading.Thread, "start", look)
        r.conversation.configure()
        r.conversation.activate()
        (status,) = statuses
        assert (status.level, status.message) == (0, "active")
        assert not [text for level, text in r.bus.lines if level == "error"]
        r.hear(1)
