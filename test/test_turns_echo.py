"""The robot's own voice in its microphone is not the person."""

from __future__ import annotations

import numpy as np
import pytest
from echo_support import FRAME, RATE, echo_of, frames, speech

from personaplex_ros.audio import read_wave
from personaplex_ros.audio.echo import EchoCanceller, Processing
from personaplex_ros.resources import share_directory
from personaplex_ros.turns import Activity, Duplex, TurnMonitor, TurnParameters
from personaplex_ros.turns.guards.echo import EchoGuard
from personaplex_ros.turns.judges.duplex import DuplexJudge

WINDOW = 480
CALLER = share_directory() / "config" / "demo" / "caller.wav"


def tone(dbfs: float) -> np.ndarray:
    """Return a frame of a square wave whose RMS is `dbfs`."""
    return np.tile(np.float32([1, -1]), FRAME // 2) * np.float32(10 ** (dbfs / 20))


def passes(guard: EchoGuard, user_dbfs: float, robot_dbfs: float) -> bool:
    (window,) = guard.push(tone(user_dbfs), tone(robot_dbfs), [Activity(480, WINDOW, 0.9)])
    assert window.probability in (0.0, 0.9)
    return window.probability > 0.0


@pytest.mark.parametrize(("loss_db", "softest_dbfs"), [(30.0, -50.0), (10.0, -30.0)])
def test_what_is_softer_than_the_robot_by_more_than_the_loss_is_silence(loss_db, softest_dbfs):
    for off_db, expected in ((0.1, True), (-0.1, False)):
        guard = EchoGuard(RATE, FRAME, loss_db)
        assert passes(guard, softest_dbfs + off_db, -20.0) is expected


def test_a_silent_robot_hides_nobody():
    assert passes(EchoGuard(RATE, FRAME, 30.0), -90.0, -200.0)


def test_echo_may_come_half_a_second_later():
    guard = EchoGuard(RATE, FRAME, 30.0)
    heard = [passes(guard, -60.0, -20.0)] + [passes(guard, -60.0, -200.0) for _ in range(7)]
    assert heard == [False] * 6 + [True] * 2


def test_the_loudest_part_of_the_robots_frame_counts():
    robot = tone(-200.0)
    robot[960:1440] = tone(-20.0)[:480]
    (window,) = EchoGuard(RATE, FRAME, 30.0).push(tone(-51.0), robot, [Activity(0, WINDOW, 0.9)])
    assert window.probability == 0.0


def test_a_window_that_began_in_the_frame_before_is_measured_there():
    guard = EchoGuard(RATE, FRAME, 30.0)
    guard.push(tone(-20.0), tone(-20.0), [])
    windows = [Activity(-480, WINDOW, 0.9), Activity(0, WINDOW, 0.8)]
    before, after = guard.push(tone(-80.0), tone(-20.0), windows)
    assert (before.probability, after.probability) == (0.9, 0.0)


def test_a_reset_guard_has_heard_nothing():
    guard = EchoGuard(RATE, FRAME, 30.0)
    assert not passes(guard, -60.0, -20.0)
    guard.reset()
    assert passes(guard, -60.0, -200.0)


@pytest.mark.parametrize(("echo_loss_db", "heard"), [(30.0, False), (120.0, True)])
def test_the_robots_speech_forty_decibels_softer_starts_no_turn(echo_loss_db, heard):
    robot = read_wave(CALLER).samples[: 6 * RATE, 0]  # somebody's clean speech
    echo = 0.01 * np.pad(robot, (1_440, 0))[: len(robot)]
    monitor = TurnMonitor(RATE, FRAME, parameters=TurnParameters(echo_loss_db=echo_loss_db))
    kinds = set()
    for first in range(0, len(robot) - FRAME + 1, FRAME):
        part = slice(first, first + FRAME)
        update = monitor.push(echo[part], robot[part], "", first * 1_000_000_000 // RATE)
        kinds |= {event.kind for event in update.events}
    assert "robot_started" in kinds
    assert ("interruption" in kinds) is heard


def judged(guard: EchoGuard, heard: np.ndarray, robot: np.ndarray, echo: np.ndarray | None):
    """Return which windows of all that is heard pass for a person's."""
    passed = []
    for first in range(0, len(heard) - FRAME + 1, FRAME):
        part = slice(first, first + FRAME)
        windows = [Activity(0, 960, 0.9), Activity(960, 960, 0.9)]
        back = None if echo is None else echo[part]
        passed += [
            window.probability > 0.0
            for window in guard.push(heard[part], robot[part], windows, heard[part], back)
        ]
    return np.array(passed)


@pytest.mark.parametrize("gain", [0.1, 1.0, 8.0])
def test_what_rises_and_falls_as_the_robot_does_is_the_robot_however_loud(gain):
    robot = 0.3 * speech(6.0)
    echo = np.pad(robot, (2_400, 0))[: len(robot)]
    guard = EchoGuard(RATE, FRAME, 30.0)
    passed = judged(guard, gain * echo, robot, echo)
    assert passed[:10].any()
    assert not passed[50:].any()
    assert guard.report.return_loss_db == pytest.approx(-20 * np.log10(gain), abs=0.5)
    assert guard.report.limit_db <= -20 * np.log10(gain) + 3.0
    without = judged(EchoGuard(RATE, FRAME, 30.0), gain * echo, robot, None)
    assert without[50:].mean() > 0.5


def test_a_person_over_the_robot_passes_and_is_not_learnt():
    robot = speech(8.0)
    person = np.ascontiguousarray(speech(8.0)[::-1])
    echo = np.pad(robot, (2_400, 0))[: len(robot)]
    guard = EchoGuard(RATE, FRAME, 30.0)
    sounding = np.abs(person[: len(person) // FRAME * FRAME]).reshape(-1, 960).max(axis=1) > 0.05
    passed = judged(guard, person + 1e-3 * echo, robot, echo)
    assert passed[sounding][12:].mean() > 0.9
    assert guard.report.limit_db >= 25.0
    assert guard.report.heard < 0.1 and guard.duplex is Duplex.FULL


def test_bursts_too_short_for_speech_are_learnt_and_forgotten():
    robot = speech(12.0)
    echo = np.pad(robot, (2_400, 0))[: len(robot)]
    heard = 1e-4 * np.random.default_rng(0).standard_normal(len(robot)).astype(np.float32)
    heard.reshape(-1, FRAME)[10::10] *= 100.0
    guard = EchoGuard(RATE, FRAME, 30.0)
    windows = [Activity(0, 960, 0.9), Activity(960, 960, 0.9)]
    passed = []
    for number, part in enumerate(heard.reshape(-1, FRAME)):
        at = slice(number * FRAME, (number + 1) * FRAME)
        found = guard.push(part, robot[at], windows, part, echo[at])
        passed.append(any(window.probability > 0.0 for window in found))
    assert any(passed[:60])
    assert not any(passed[-30:])
    assert 8.0 <= guard.report.limit_db < 30.0


def test_what_was_learnt_outlasts_a_conversation_and_other_settings():
    robot = speech(4.0)
    guard = EchoGuard(RATE, FRAME, 30.0)
    judged(guard, robot, robot, robot)
    learnt = guard.report.limit_db
    assert learnt < 3.0
    guard.reset()
    guard.set_loss(40.0)
    assert guard.report.limit_db == learnt


def test_the_robot_gives_up_its_volume_first_and_its_ear_last_and_takes_both_back():
    judge = DuplexJudge()
    steps = []
    for heard in [0.5] * 80 + [0.0] * 500:
        judge.follow(heard, 0.1)
        if not steps or steps[-1] is not judge.duplex:
            steps.append(judge.duplex)
    assert steps == [Duplex.FULL, Duplex.DUCKED, Duplex.HALF, Duplex.DUCKED, Duplex.FULL]


def test_who_breaks_in_over_an_echo_as_loud_is_suspected_at_once():
    pytest.importorskip("livekit")
    voice = read_wave(share_directory() / "checkpoints" / "nano" / "voices" / "NATM0.wav")
    person = voice.samples[np.abs(voice.samples[:, 0]).argmax() - RATE // 4 :, 0][: 2 * RATE]
    robot = speech(30.0)
    heard = echo_of(robot, 0.1, 200.0, rt60_s=0.5)
    person = person * np.sqrt(np.mean(heard**2) / np.mean(person**2))
    starts = [12 * RATE, 18 * RATE, 24 * RATE]
    for start in starts:
        heard[start : start + len(person)] += person
    canceller, monitor, found = (
        EchoCanceller(RATE, FRAME, Processing()),
        TurnMonitor(RATE, FRAME),
        [],
    )
    for first, said, samples in frames(robot, heard):
        stamp_ns = first * 1_000_000_000 // RATE
        canceller.reference.played(said, RATE, stamp_ns)
        frame = canceller.process(samples, stamp_ns)
        update = monitor.push(frame.clean, said, "", stamp_ns, frame)
        found += [e for e in update.events if e.kind == "interruption"]
    late = [event for event in found if event.onset_ns > 6e9]
    for start in starts:
        start_ns = start * 1_000_000_000 // RATE
        assert any(0 < event.decided_ns - start_ns <= 400_000_000 for event in late)
    assert len({event.episode for event in late}) == len(starts)
