"""Many threads share an engine: frames that wait together run together, and nobody is disturbed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reference import GREEDY, converse, ids, talk, write_checkpoint

from personaplex_ros.engine import Engine, Persona, SharedEngine, SharedSession
from personaplex_ros.engine.admission import ENOUGH, REMEMBERED, VALID_S, Admission
from personaplex_ros.engine.frames.captured import row_counts
from personaplex_ros.node.parameters.table import Parameters
from personaplex_ros.node.shared_model import SharedModel

HOST = Persona("host", "You work for a hotel by the lake and your name is Ann.")
TALKER = Persona("talker", "You enjoy having a good conversation.")


@pytest.fixture
def engine(small_checkpoint: Path) -> Engine:
    return Engine.load(small_checkpoint, device="cpu", slots=3)


@pytest.fixture
def shared(engine: Engine) -> Iterator[SharedEngine]:
    shared = SharedEngine(engine)
    yield shared
    shared.close()


class Held:
    """Holds an engine's steps back until they are released, and counts who took part."""

    def __init__(self, engine: Engine, monkeypatch: pytest.MonkeyPatch):
        self.begun, self.released = threading.Event(), threading.Event()
        self.parties: list[int] = []
        step = engine.step

        def held(frames: Any) -> Any:
            self.parties.append(len(frames))
            self.begun.set()
            assert self.released.wait(20)
            return step(frames)

        monkeypatch.setattr(engine, "step", held)


def in_thread(task: Any, *arguments: Any) -> threading.Thread:
    thread = threading.Thread(target=task, args=arguments)
    thread.start()
    return thread


def test_each_thread_has_the_conversation_it_would_have_alone(
    shared: SharedEngine, small_checkpoint: Path
) -> None:
    personas, said = (HOST, TALKER, HOST), {}

    def robot(number: int) -> None:
        session = shared.open(personas[number], GREEDY)
        said[number] = [ids(session.push(frame)) for frame in talk(engine_alone, 2.0, number)]
        session.close()

    engine_alone = Engine.load(small_checkpoint, device="cpu")
    for thread in [in_thread(robot, number) for number in range(3)]:
        thread.join()
    for number, persona in enumerate(personas):
        session = engine_alone.open(persona, GREEDY)
        assert said[number] == converse(session, talk(engine_alone, 2.0, number))
        session.close()
    assert shared.sessions == 0


def test_frames_that_wait_are_run_in_one_pass(
    shared: SharedEngine, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = [shared.open(TALKER, GREEDY) for _ in range(3)]
    frame = talk(engine, 0.08)[0]
    held = Held(engine, monkeypatch)
    threads = [in_thread(sessions[0].push, frame)]
    assert held.begun.wait(20)
    threads += [in_thread(session.push, frame) for session in sessions[1:]]
    while len(shared._frames) < 2:
        pass
    held.released.set()
    for thread in threads:
        thread.join()
    assert held.parties == [1, 2]


def test_a_bad_frame_is_refused_to_its_own_robot_only(shared: SharedEngine, engine: Engine) -> None:
    good, bad = (shared.open(TALKER, GREEDY) for _ in range(2))
    with pytest.raises(ValueError, match=r"a frame must be float32 \[1920\]"):
        bad.push(np.zeros(5, np.float32))
    assert good.push(talk(engine, 0.08)[0]).index == 0
    assert bad.push(talk(engine, 0.08)[0]).index == 0


def test_a_fault_reaches_everyone_who_waits_and_the_engine_goes_on(
    shared: SharedEngine, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, frame = shared.open(TALKER, GREEDY), talk(engine, 0.08)[0]
    with monkeypatch.context() as patch:

        def broken(frames: Any) -> Any:
            raise RuntimeError("the GPU is lost")

        patch.setattr(engine, "step", broken)
        with pytest.raises(RuntimeError, match="the GPU is lost"):
            session.push(frame)
    session.restart(HOST)
    assert session.push(frame).index == 0


def test_who_restarts_disturbs_nobody(shared: SharedEngine, engine: Engine) -> None:
    steady, restless = (shared.open(TALKER, GREEDY) for _ in range(2))
    said = []
    for number, frame in enumerate(talk(engine, 1.6)):
        said.append(ids(steady.push(frame)))
        if number % 5 == 4:
            restless.restart(HOST if number % 2 else TALKER)
        restless.push(frame)
    alone = engine.open(TALKER, GREEDY)
    assert said == converse(alone, talk(engine, 1.6))


def test_a_closed_engine_says_so(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = SharedEngine(engine)
    sessions = [shared.open(TALKER, GREEDY) for _ in range(2)]
    frame, problems = talk(engine, 0.08)[0], []

    def push(session: SharedSession) -> None:
        try:
            session.push(frame)
        except RuntimeError as error:
            problems.append(str(error))

    held = Held(engine, monkeypatch)
    threads = [in_thread(push, sessions[0])]
    assert held.begun.wait(20)
    threads.append(in_thread(push, sessions[1]))
    while not shared._frames:
        pass
    threads.append(in_thread(shared.close))
    while not shared._closed:
        pass
    held.released.set()
    for thread in threads:
        thread.join()
    assert problems == ["this engine is closed"]  # of who waited; the frame that ran was answered
    with pytest.raises(RuntimeError, match="this engine is closed"):
        shared.open(TALKER)


def test_a_session_that_would_make_frames_late_is_refused(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "warm_frames", {1: 0.02, 2: 0.05, 3: 0.07})
    monkeypatch.setattr(engine, "rows_with", lambda sessions: sessions)
    shared = SharedEngine(engine)
    for _ in range(2):
        shared.open(TALKER, GREEDY)
    with pytest.raises(RuntimeError, match=r"70\.0 ms \(measured at the start\), more than 60"):
        shared.open(TALKER, GREEDY)
    shared.close()


def test_admission_believes_frames_that_ran_over_those_of_the_warm_up() -> None:
    admission = Admission(0.08, {4: 0.03})
    assert "takes 30.0 ms (measured at the start)" in admission.check(4)
    for _ in range(ENOUGH):
        admission.note(4, 0.09)
    with pytest.raises(RuntimeError, match=r"90\.0 ms \(the median of the last 100\), more"):
        admission.check(4)
    for _ in range(REMEMBERED):
        admission.note(4, 0.02)
    admission.check(4)


def test_a_moment_of_load_keeps_nobody_out() -> None:
    admission = Admission(0.08, {})
    for number in range(REMEMBERED):  # one in five frames waits for another program
        admission.note(2, 0.145 if number % 5 == 0 else 0.02)
    assert "takes 20.0 ms" in admission.check(2)


def test_what_was_measured_long_ago_keeps_nobody_out() -> None:
    clock = [0.0]
    admission = Admission(0.08, {}, now=lambda: clock[0])
    for _ in range(ENOUGH):
        admission.note(2, 0.145)
    with pytest.raises(RuntimeError, match="close a session first"):
        admission.check(2)
    clock[0] = VALID_S + 1
    assert "not known yet" in admission.check(2)


def test_how_full_a_frame_may_be_can_be_set() -> None:
    with pytest.raises(RuntimeError, match=r"which is admission_share \(0\.5\) of its 80 ms"):
        Admission(0.08, {2: 0.05}, 0.5).check(2)
    assert Admission(0.08, {2: 0.05}, 0.75).check(2)


def test_admission_knows_nothing_of_what_was_never_measured() -> None:
    Admission(0.08, {}).check(16)


def test_there_is_a_graph_for_each_power_of_two_and_for_all() -> None:
    assert row_counts(1) == [1]
    assert row_counts(6) == [1, 2, 4, 6]
    assert row_counts(64) == [1, 2, 4, 8, 16, 32, 64]


def test_robots_of_a_process_share_one_model_until_none_talks(tmp_path: Path) -> None:
    folders = [str(write_checkpoint(tmp_path / name)) for name in ("a", "b")]
    loads: list[str] = []

    def load(parameters: Parameters) -> Engine:
        loads.append(parameters.checkpoint)
        return Engine.load(parameters.checkpoint, device="cpu", slots=2)

    first, second = (Parameters.of({"checkpoint": folder, "device": "cpu"}) for folder in folders)
    model = SharedModel(load)
    engine = model.load(first)
    session = engine.open(TALKER, GREEDY)
    assert model.load(first) is engine
    with pytest.raises(ValueError, match=r"checkpoint is .*b' here and .*a'"):
        model.load(second)
    listening = replace(first, user_transcript=True)
    with pytest.raises(ValueError, match="user_transcript is True here and False there"):
        model.load(listening)
    session.close()
    assert model.load(second) is not engine
    assert loads == folders
    model.close()
