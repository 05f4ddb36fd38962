"""A television is no person: speech that goes on whatever the robot does is learnt and left out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from personaplex_ros.training.voices.speakers import random_caller
from personaplex_ros.training.voices.speech import speak
from personaplex_ros.turns import Activity, HoldParameters, TurnMonitor, TurnParameters
from personaplex_ros.turns.guards.background import BackgroundGuard

RATE, FRAME = 24_000, 1_920
WINDOW = 480

Speaks = Callable[[float], float | None]  # at a time in seconds: the level in dBFS of who speaks


def passed(guard: BackgroundGuard, speaks: Speaks, begin_s: float, end_s: float) -> list[float]:
    """Return the times at which somebody is heard while the robot talks all along."""
    heard = []
    for frame in range(round(begin_s / 0.08), round(end_s / 0.08)):
        level = speaks(frame * 0.08)
        amplitude = 10 ** ((-90.0 if level is None else level) / 20)
        samples = np.full(FRAME, amplitude, np.float32)
        probability = 0.05 if level is None else 0.9
        windows = [Activity(at, WINDOW, probability) for at in range(0, FRAME, WINDOW)]
        if any(w.probability > 0.5 for w in guard.push(samples, windows, robot_sounds=True)):
            heard.append(frame * 0.08)
    return heard


def television(at_s: float) -> float | None:
    return -40.0 if at_s % 3.0 < 2.6 else None


def guard(share: float = 0.4) -> BackgroundGuard:
    return BackgroundGuard(RATE, FRAME, share)


def test_speech_that_goes_on_all_along_is_left_out_and_who_is_louder_is_heard():
    it = guard()
    assert max(passed(it, television, 0.0, 20.0)) < 10.0
    louder = passed(it, lambda at: -25.0 if 21.0 <= at < 23.0 else television(at), 20.0, 25.0)
    assert louder[0] == pytest.approx(21.0, abs=0.1)
    assert louder[-1] == pytest.approx(23.2, abs=0.4)  # what is soft between is part of it


def test_people_who_break_in_now_and_then_are_never_taken_for_it():
    def person(at_s: float) -> float | None:
        return -25.0 if at_s % 9.0 < 2.5 else None

    it = guard()
    heard = passed(it, person, 0.0, 60.0)
    assert it.limit_db is None
    assert len(heard) == sum(person(frame * 0.08) is not None for frame in range(750))


def test_it_is_forgotten_when_it_is_off_and_after_the_conversation_it_is_not():
    it = guard()
    passed(it, television, 0.0, 15.0)
    it.reset()
    assert it.limit_db is not None
    passed(it, lambda _: None, 15.0, 25.0)
    assert it.limit_db is None
    assert passed(it, lambda _: -40.0, 25.0, 26.0)


def test_a_share_that_cannot_be_reached_leaves_everything_as_it_was():
    assert passed(guard(share=1.1), lambda _: -40.0, 0.0, 30.0)[-1] > 29.8


def test_motion_is_held_no_longer_for_a_television_and_still_for_a_person():
    rng = np.random.default_rng(4)
    sentence = speak("And the dog was so big that I was afraid.", random_caller(rng)).samples
    shown = np.tile(np.concatenate((sentence, np.zeros(12_000, np.float32))), 12)
    shown = shown[: 24 * RATE] * np.float32(0.1)
    person = speak("Wait, I have another question for you.", random_caller(rng)).samples
    robot = (0.05 * rng.standard_normal(len(shown))).astype(np.float32)
    visited = shown.copy()
    visited[20 * RATE : 20 * RATE + len(person)] += person * np.float32(0.8)
    for share, held in ((1.1, True), (0.4, False)):
        parameters = TurnParameters(background_share=share)
        assert holds(shown, robot, parameters, 16.0, 24.0) == held
        assert not holds(shown, robot, parameters, 0.0, 0.08)
        assert holds(visited, robot, parameters, 20.2, 22.0)


def holds(
    user: np.ndarray, robot: np.ndarray, parameters: TurnParameters, begin_s: float, end_s: float
) -> bool:
    """Return whether motion is held at some time."""
    monitor = TurnMonitor(RATE, FRAME, parameters=parameters, hold=HoldParameters())
    held = []
    for first in range(0, len(user) - FRAME + 1, FRAME):
        part = slice(first, first + FRAME)
        update = monitor.push(user[part], robot[part], "", first * 1_000_000_000 // RATE)
        if begin_s <= first / RATE < end_s:
            held.append(update.hold)
    return any(held)
