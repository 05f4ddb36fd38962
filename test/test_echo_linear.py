"""The linear stage of echo cancellation: what it takes away, whom it leaves, what it learns."""

from __future__ import annotations

import numpy as np
import pytest
from echo_support import FRAME, RATE, decibels, echo_of, frames, speech

from personaplex_ros.audio.echo.drift import Drift
from personaplex_ros.audio.echo.linear import LinearCanceller, Mismatch
from personaplex_ros.audio.echo.reference import Reference

SECOND = RATE


def subtract(linear: LinearCanceller, played: np.ndarray, heard: np.ndarray) -> np.ndarray:
    """Return what is left of whole frames."""
    return np.concatenate(
        [linear.process(back, out, 0.0) for _, out, back in frames(played, heard)]
    )


def power(samples: np.ndarray, first_s: float, last_s: float) -> float:
    return float(np.mean(np.square(samples[round(first_s * RATE) : round(last_s * RATE)])))


@pytest.fixture(scope="module")
def played() -> np.ndarray:
    return speech(16.0)


@pytest.mark.parametrize("rt60_s", [0.2, 0.8])
def test_an_echo_is_taken_away_and_who_speaks_over_it_stays(played, rt60_s):
    echo = echo_of(played, 0.006, rt60_s=rt60_s)
    person = np.zeros_like(echo)
    person[11 * SECOND :] = speech(30.0)[-5 * SECOND :]
    person *= np.sqrt(power(echo, 0, 16) / power(person, 11, 16))
    left = subtract(LinearCanceller(FRAME), played, (echo + person).astype(np.float32))
    echo, person = echo[: len(left)], person[: len(left)]
    assert decibels(power(echo, 8, 11) / power(left, 8, 11)) >= 20.0
    # While both speak as loud as each other the echo goes, and nothing of the person does.
    assert decibels(power(echo, 12, 16) / power(left - person, 12, 16)) >= 20.0
    assert abs(decibels(power(left, 12, 16) / power(person, 12, 16))) < 0.2


def test_where_nothing_comes_back_a_person_passes_unchanged(played):
    person = speech(40.0)[-len(played) :]
    linear = LinearCanceller(FRAME)
    left = subtract(linear, played, person)
    wrong = left - person[: len(left)]
    assert decibels(power(person, 3, 16) / power(wrong, 3, 16)) >= 15.0
    assert not linear.useful


@pytest.mark.parametrize("factor", [2.0, 0.5])
def test_another_volume_is_learnt_within_seconds(played, factor):
    echo = echo_of(played, 0.006)
    echo[8 * SECOND :] *= factor
    left = subtract(LinearCanceller(FRAME), played, echo)
    echo = echo[: len(left)]
    assert decibels(power(echo, 6, 8) / power(left, 6, 8)) >= 20.0
    assert decibels(power(echo, 12, 16) / power(left, 12, 16)) >= 20.0


def test_a_filter_that_only_adds_sound_is_given_up(played):
    linear = LinearCanceller(FRAME)
    subtract(linear, played, echo_of(played, 0.006))
    assert linear.useful
    quiet = np.full(len(played), 1e-5, np.float32)  # the loudspeaker was unplugged
    assert power(subtract(linear, played, quiet), 2, 16) < 1e-6


def test_sound_that_is_no_number_is_forgotten(played):
    linear = LinearCanceller(FRAME)
    linear.process(np.full(FRAME, np.nan, np.float32), played[:FRAME], 0.0)
    left = subtract(linear, played, echo_of(played, 0.006))
    assert np.isfinite(left).all()
    assert linear.useful


@pytest.mark.parametrize("drift_ppm", [-200.0, 0.0, 200.0])
def test_the_drift_is_known_to_a_few_millionths(drift_ppm):
    played = speech(20.0)
    heard = echo_of(played, 0.1, drift_ppm)
    reference = Reference(RATE, 30.0)
    reference.played(played, RATE, 0)
    reference.take()
    linear, drift = LinearCanceller(FRAME), Drift(RATE, FRAME)
    place, left, paces = -0.094 * RATE, [], []
    for _, back in frames(heard):
        speed = 1.0 - drift.pace
        left.append(linear.process(back, reference.between(place, FRAME, speed), drift.wander))
        place += speed * FRAME
        drift.take(linear.mismatch)
        paces.append(drift.pace)
    truth = -drift_ppm * 1e-6  # the loudspeaker's clock is faster, so the echo comes ever sooner
    assert np.abs(np.array(paces[10 * SECOND // FRAME :]) - truth).max() < 4e-6
    rest = np.concatenate(left)
    assert decibels(power(heard, 14, 20) / power(rest, 14, 20)) >= 20.0


def test_a_lateness_that_is_not_sure_moves_nothing():
    drift = Drift(RATE, FRAME)
    drift.take(Mismatch(0.0, np.inf))
    drift.take(Mismatch(5.0, 1e9))
    assert abs(drift.pace) < 1e-8


def test_while_the_robot_is_silent_nothing_is_changed_and_nothing_forgotten(played):
    quiet = np.zeros(6 * SECOND, np.float32)
    said = np.concatenate((played[: 8 * SECOND], quiet, played[8 * SECOND :]))
    echo, person = echo_of(said, 0.006), speech(30.0)[: len(said)]
    person[: 9 * SECOND] = 0.0
    person[13 * SECOND :] = 0.0
    linear = LinearCanceller(FRAME)
    heard = (echo + person).astype(np.float32)
    left = []
    for at, out, back in frames(said, heard):
        left.append(linear.process(back, out, 0.0))
        if 10 * SECOND <= at < 13 * SECOND:
            assert left[-1] is back and np.isinf(linear.mismatch.variance)
    after = np.concatenate(left)
    assert decibels(power(echo, 14, 15) / power(after, 14, 15)) >= 20.0
