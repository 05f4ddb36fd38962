"""Turn-taking as a whole, on recorded speech with known turns."""

from __future__ import annotations

import json

import numpy as np
import pytest

from personaplex_ros.audio import read_wave
from personaplex_ros.resources import share_directory
from personaplex_ros.turns import TurnEvent, TurnMonitor, TurnUpdate
from personaplex_ros.turns.tracker import words_begun

RATE, FRAME = 24_000, 1_920
DEMO = share_directory() / "config" / "demo"
# The robot answers, hears an "mhm", answers the next question, is interrupted, answers again.
ROBOT_SPEAKS_S = [(3.9, 7.0), (9.5, 11.4), (14.0, 16.0)]


@pytest.fixture(scope="module")
def updates() -> list[TurnUpdate]:
    """Everything the monitor says about the recorded caller and a robot made of noise."""
    caller = read_wave(DEMO / "caller.wav").samples[:, 0]
    robot = np.zeros_like(caller)
    rng = np.random.default_rng(0)
    for begin_s, end_s in ROBOT_SPEAKS_S:
        part = slice(round(begin_s * RATE), round(end_s * RATE))
        robot[part] = 0.1 * rng.standard_normal(part.stop - part.start)
    monitor = TurnMonitor(RATE, FRAME)
    return [
        monitor.push(
            caller[first : first + FRAME],
            robot[first : first + FRAME],
            " word" if robot[first : first + FRAME].any() else "",
            first * 1_000_000_000 // RATE,
        )
        for first in range(0, len(caller) - FRAME + 1, FRAME)
    ]


@pytest.fixture(scope="module")
def truth() -> list[dict]:
    return json.loads((DEMO / "caller.json").read_text())


def onsets(updates: list[TurnUpdate], kind: str) -> list[float]:
    return [
        event.onset_ns / 1e9
        for event in events(updates)
        if (event.kind, event.state) == (kind, "confirmed") and event.revises != "user_started"
    ]


def events(updates: list[TurnUpdate]) -> list[TurnEvent]:
    return [event for update in updates for event in update.events]


def test_the_persons_turns_are_found_at_their_times(updates, truth):
    starts, stops = onsets(updates, "user_started"), onsets(updates, "user_stopped")
    assert starts == pytest.approx([turn["start_s"] for turn in truth], abs=0.1)
    assert stops == pytest.approx([turn["end_s"] for turn in truth], abs=0.15)


def test_the_robots_turns_are_found_at_their_times(updates):
    assert onsets(updates, "robot_started") == pytest.approx([3.9, 9.5, 14.0], abs=0.02)
    assert onsets(updates, "robot_stopped") == pytest.approx([7.0, 11.4, 16.0], abs=0.02)


def test_the_interruption_and_the_backchannel_are_told_apart(updates, truth):
    for kind in ("interruption", "backchannel"):
        wanted = [turn["start_s"] for turn in truth if turn["kind"] == kind]
        assert onsets(updates, kind) == pytest.approx(wanted, abs=0.1)
    assert onsets(updates, "robot_yielded") == pytest.approx([11.4], abs=0.02)


def test_motion_holds_from_the_interruption_to_the_answer(updates, truth):
    changes = np.flatnonzero(np.diff([False, *(update.hold for update in updates)])) * 0.08
    # An "mhm" holds for the moment until it is known to be one; what a frame tells is known at its
    # end.
    *backchannel, begin, end = changes + 0.08
    (mhm,) = [turn for turn in truth if turn["kind"] == "backchannel"]
    assert mhm["start_s"] < backchannel[0] and backchannel[-1] < mhm["end_s"] + 0.6
    assert 10.9 < begin < 10.9 + 0.25
    assert 14.0 < end < 14.2


def test_states_agree_with_events(updates):
    user = robot = False
    for update in updates:
        for event in update.events:
            if event.state == "suspected":
                continue  # user_speaking waits until it is sure
            user = {"user_started": True, "user_stopped": False}.get(event.kind, user)
            robot = {"robot_started": True, "robot_stopped": False}.get(event.kind, robot)
        assert (update.user_speaking, update.robot_speaking) == (user, robot)


def test_utterances_end_with_yielding_and_with_silence(updates):
    utterances = [update.utterance for update in updates if update.utterance is not None]
    assert [utterance.interrupted for utterance in utterances] == [False, True, False]
    assert [len(utterance.text.split()) for utterance in utterances] == [40, 25, 25]
    assert utterances[1].end_ns / 1e9 == pytest.approx(11.4, abs=0.02)


def test_a_new_conversation_gives_the_same_as_the_first():
    caller = read_wave(DEMO / "caller.wav").samples[: 4 * RATE, 0]
    silence = np.zeros(FRAME, np.float32)
    monitor = TurnMonitor(RATE, FRAME, robot_delay_s=0.08)

    def converse() -> list[TurnUpdate]:
        return [
            monitor.push(
                caller[first : first + FRAME], silence, " x", first * 1_000_000_000 // RATE
            )
            for first in range(0, len(caller) - FRAME + 1, FRAME)
        ]

    first = converse()
    rest = monitor.end()
    assert rest.utterance is not None and rest.utterance.start_ns == 80_000_000
    assert not (rest.user_speaking or rest.robot_speaking or rest.hold)
    assert converse() == first


@pytest.mark.parametrize(
    ("piece", "words"), [("", 0), (" Hel", 1), ("lo", 0), (" a b", 2), (" ", 0), (".", 0)]
)
def test_words_begin_with_a_space(piece, words):
    assert words_begun(piece) == words


def test_four_words_of_the_robot_are_a_turn_before_a_second_of_it_is():
    caller = read_wave(DEMO / "caller.wav").samples[: 5 * RATE, 0]
    silence, hum = np.zeros(FRAME, np.float32), np.full(FRAME, 0.1, np.float32)

    def lengths_s(piece: str) -> list[float]:
        monitor, told = TurnMonitor(RATE, FRAME), []
        for first in range(0, len(caller) - FRAME + 1, FRAME):
            speaks = first >= 3.6 * RATE
            stamp_ns = first * 1_000_000_000 // RATE
            sides = (caller[first : first + FRAME], hum if speaks else silence)
            told += monitor.push(*sides, piece if speaks else "", stamp_ns).events
        return [(e.decided_ns - e.onset_ns) / 1e9 for e in told if e.kind == "robot_takeover"]

    assert lengths_s(" word") == pytest.approx([4 * 0.08], abs=0.01)
    assert lengths_s("") == pytest.approx([1.04], abs=0.01)
