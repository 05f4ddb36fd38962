"""Turn events from scripted activity of both sides, whose truth is exact."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from turns_support import (
    FRAME,
    RATE,
    ROBOT_WINDOW,
    START_NS,
    USER_WINDOW,
    activities,
    decided,
    follow,
    only,
    onset,
)

from personaplex_ros.turns import TurnEvent, TurnParameters, TurnTracker

FOLLOWED = (
    "user_started", "user_stopped", "robot_started", "robot_stopped",
    "interruption", "robot_yielded", "backchannel",
)  # fmt: skip


def kinds(events: list[TurnEvent]) -> list[str]:
    """Return what is sure about both sides' speech, break-ins and backchannels of the person."""
    return [e.kind for e in events if e.kind in FOLLOWED and e.state == "confirmed"]


def test_turns_one_after_the_other_start_and_stop_at_their_times():
    events = follow(user=[(1.0, 3.0)], robot=[(3.5, 6.0)])
    assert kinds(events) == ["user_started", "user_stopped", "robot_started", "robot_stopped"]
    truth = [("user_started", 1.0), ("user_stopped", 3.0)]
    for kind, at in [*truth, ("robot_started", 3.5), ("robot_stopped", 6.0)]:
        assert onset(events, kind) == pytest.approx(at, abs=0.032)
    # The first window suspects it; then at most the detector's lag and a frame.
    assert onset(events, "user_started", "suspected") == onset(events, "user_started")
    assert 0.0 < decided(events, "user_started", "suspected") - 1.0 < 0.032 + 0.032 + 0.01 + 0.08
    # Confirmation or end silence, then at most a window, the detector's lag and a frame.
    assert 0.096 <= decided(events, "user_started") - 1.0 < 0.096 + 0.032 + 0.01 + 0.08
    assert 0.32 <= decided(events, "user_stopped") - 3.0 + 0.032 < 0.32 + 0.064 + 0.01 + 0.08


def test_pauses_within_a_turn_do_not_end_it():
    events = follow(user=[(1.0, 2.0), (2.25, 3.0)], robot=[(4.0, 5.0), (5.3, 6.0)])
    assert kinds(events) == ["user_started", "user_stopped", "robot_started", "robot_stopped"]


def test_sounds_too_short_for_speech_are_no_turn():
    clicks = [(1.0 + 0.2 * k, 1.06 + 0.2 * k) for k in range(9)]
    robot = [(at, at + 0.04) for at in (3.0, 3.1, 3.3)]
    assert kinds(follow(user=[], robot=robot)) == []
    sure = TurnParameters(user_suspect_s=0.096)
    assert follow(user=clicks, robot=robot, parameters=sure) == []
    events = follow(user=clicks, robot=robot)
    assert {event.state for event in events if event.kind == "user_started"} == {"suspected"}
    assert {event.revises for event in events if event.kind == "user_stopped"} == {"user_started"}


def test_breaking_in_is_an_interruption_and_falling_silent_is_yielding():
    events = follow(user=[(4.0, 6.0)], robot=[(1.0, 4.8), (6.5, 8.0)])
    assert kinds(events) == [
        "robot_started",
        "user_started",
        "interruption",
        "robot_stopped",
        "robot_yielded",
        "user_stopped",
        "robot_started",
        "robot_stopped",
    ]
    assert onset(events, "interruption") == onset(events, "user_started")
    assert onset(events, "interruption") == pytest.approx(4.0, abs=0.032)
    assert onset(events, "robot_yielded") == pytest.approx(4.8, abs=0.02)
    assert 0.6 <= decided(events, "interruption") - 4.0 + 0.032 < 0.6 + 0.064 + 0.01 + 0.08


def test_a_robot_that_yields_before_the_interruption_is_sure_has_yielded():
    events = follow(user=[(4.0, 6.0)], robot=[(1.0, 4.25)])
    assert kinds(events)[2:] == ["robot_stopped", "interruption", "robot_yielded", "user_stopped"]


def test_a_robot_that_talks_on_has_not_yielded():
    late = follow(user=[(4.0, 6.0)], robot=[(1.0, 6.1)])
    assert "interruption" in kinds(late) and "robot_yielded" not in kinds(late)
    just_in_time = follow(user=[(4.0, 6.0)], robot=[(1.0, 5.9)])
    assert "robot_yielded" in kinds(just_in_time)


def test_a_short_sound_that_leaves_the_robot_its_turn_is_a_backchannel():
    events = follow(user=[(4.0, 4.45)], robot=[(1.0, 8.0)])
    assert kinds(events) == [
        "robot_started",
        "user_started",
        "user_stopped",
        "backchannel",
        "robot_stopped",
    ]
    assert onset(events, "backchannel") == pytest.approx(4.0, abs=0.032)


def test_two_short_sounds_are_one_backchannel():
    events = follow(user=[(4.0, 4.2), (4.45, 4.7)], robot=[(1.0, 8.0)])
    assert kinds(events).count("backchannel") == 1
    assert "interruption" not in kinds(events)


def test_short_sounds_that_do_not_end_are_an_interruption():
    sounds = [(4.0, 4.15), (4.4, 4.48), (4.75, 4.83), (5.1, 5.2)]  # 0.4 s of sound in 1.2 s
    events = follow(user=sounds, robot=[(1.0, 8.0)])
    assert "interruption" in kinds(events) and "backchannel" not in kinds(events)
    assert decided(events, "interruption") > 5.0


def test_a_short_sound_in_a_pause_of_the_robot_is_a_backchannel_once_it_goes_on():
    events = follow(user=[(4.0, 4.3)], robot=[(1.0, 4.1), (4.45, 8.0)])
    assert "backchannel" in kinds(events)
    assert "robot_stopped" not in kinds(events)[:-1]


def test_a_short_sound_at_the_end_of_the_robots_turn_means_nothing():
    for end in (4.1, 4.3, 4.5):
        events = follow(user=[(4.0, 4.4)], robot=[(1.0, end)])
        assert sorted(kinds(events)) == [
            "robot_started",
            "robot_stopped",
            "user_started",
            "user_stopped",
        ]


def test_taking_the_turn_as_the_robot_ends_is_no_interruption():
    for end in (3.8, 4.0, 4.15):
        events = follow(user=[(4.0, 7.0)], robot=[(1.0, end)])
        assert "interruption" not in kinds(events) and "robot_yielded" not in kinds(events)


def test_a_robot_that_speaks_into_the_persons_turn_is_not_interrupted():
    events = follow(user=[(1.0, 6.0)], robot=[(3.0, 8.0)])
    assert set(kinds(events)) == {"robot_started", "robot_stopped", "user_started", "user_stopped"}


def test_a_robot_that_starts_a_moment_after_the_person_is_not_interrupted():
    events = follow(user=[(4.0, 6.0)], robot=[(4.05, 8.0)])
    assert set(kinds(events)) == {"robot_started", "robot_stopped", "user_started", "user_stopped"}


def test_a_robot_that_stops_before_the_person_is_confirmed_was_interrupted_all_the_same():
    parameters = TurnParameters(robot_end_silence_s=0.04, overlap_min_s=0.05)
    events = follow(user=[(4.0, 6.0)], robot=[(1.0, 4.09)], parameters=parameters)
    assert kinds(events) == [
        "robot_started",
        "robot_stopped",
        "user_started",
        "interruption",
        "robot_yielded",
        "user_stopped",
    ]


def test_every_interruption_is_told_once_and_each_of_two_is_told():
    events = follow(user=[(3.0, 6.0), (8.0, 10.0)], robot=[(1.0, 3.8), (7.0, 9.0)])
    assert kinds(events).count("interruption") == 2
    assert kinds(events).count("robot_yielded") == 2


def test_started_and_stopped_alternate_and_no_event_precedes_its_onset():
    rng = np.random.default_rng(4)
    totals = dict.fromkeys(("interruption", "robot_yielded", "backchannel", "user_stopped"), 0)
    for _ in range(25):
        sides = []
        for _ in range(2):
            edges = np.cumsum(rng.exponential(0.5, 60))
            sides.append([(float(a), float(b)) for a, b in edges.reshape(-1, 2)])
        events = follow(*sides, seconds=30.0)
        for side in ("user", "robot"):
            edges = (f"{side}_started", f"{side}_stopped")
            # A start that was suspected is told once more when it is confirmed.
            told = dict.fromkeys((e.kind, e.episode) for e in events if e.kind in edges)
            states = [kind for kind, _ in told]
            assert states[::2] == [f"{side}_started"] * len(states[::2])
            assert states[1::2] == [f"{side}_stopped"] * len(states[1::2])
        for event in events:
            assert event.onset_ns < event.decided_ns
            assert 0.0 <= event.confidence <= 1.0
        counts = {kind: kinds(events).count(kind) for kind in totals}
        assert counts["robot_yielded"] <= counts["interruption"]
        assert counts["interruption"] + counts["backchannel"] <= kinds(events).count("user_started")
        totals = {kind: totals[kind] + counts[kind] for kind in totals}
    assert min(totals.values()) > 0


def test_a_new_conversation_knows_nothing_of_the_old():
    tracker = TurnTracker(TurnParameters(), RATE, FRAME)
    follow(user=[(4.0, 9.0)], robot=[(1.0, 9.0)], seconds=4.5, tracker=tracker)
    assert tracker.user_speaking and tracker.robot_speaking
    tracker.reset()
    assert not tracker.user_speaking and not tracker.robot_speaking
    args = ([(4.0, 6.0)], [(1.0, 4.8)])
    assert follow(*args, tracker=tracker) == follow(*args)


@pytest.mark.parametrize("leap_s", [-3_600.0, 3_600.0])
def test_a_clock_that_leaps_changes_stamps_and_nothing_else(leap_s):
    tracker = TurnTracker(TurnParameters(), RATE, FRAME)
    events = []
    for index in range(150):
        leap_ns = round(leap_s * 1e9) if index >= 55 else 0  # in the middle of the interruption
        events += tracker.update(
            START_NS + index * 80_000_000 + leap_ns,
            activities([(4.0, 6.0)], USER_WINDOW, index, lag=240),
            activities([(1.0, 4.8)], ROBOT_WINDOW, index, lag=0),
        )
    assert kinds(events) == kinds(follow([(4.0, 6.0)], [(1.0, 4.8)], seconds=12.0))


def test_speech_that_is_heard_later_than_it_is_pushed_gets_later_stamps():
    tracker = TurnTracker(TurnParameters(), RATE, FRAME, robot_delay_s=0.08)
    events = follow(user=[], robot=[(1.0, 3.0)], tracker=tracker)
    assert onset(events, "robot_started") == pytest.approx(1.08, abs=0.02)
    assert onset(events, "robot_stopped") == pytest.approx(3.08, abs=0.02)


def test_the_confidence_is_the_detectors():
    events = follow(user=[(1.0, 3.0)], robot=[])
    assert only(events, "user_started").confidence == pytest.approx(0.9)
    assert only(events, "user_stopped").confidence == pytest.approx(0.95)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"user_on": 0.3, "user_off": 0.5}, "off <= on"),
        ({"user_end_silence_s": 0.0}, "end_silence_s"),
        ({"robot_min_speech_s": 0.0}, "min_active_s"),
        ({"robot_off_dbfs": -30.0}, "robot_off_dbfs"),
        ({"interruption_min_s": 2.0}, "interruption_min_s"),
        ({"overlap_min_s": 0.0}, "overlap_min_s"),
        ({"robot_yield_window_s": 0.0}, "robot_yield_window_s"),
        ({"user_suspect_s": 0.0}, "suspect_s"),
        ({"user_suspect_on": 0.6}, "suspect_on"),
        ({"takeover_min_words": 0}, "takeover_min_words"),
        ({"long_silence_s": 0.0}, "long_silence_s"),
        ({"engagement_end_s": 1.0}, "engagement_end_s"),
    ],
)
def test_parameters_that_contradict_each_other_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        TurnParameters(**changes)


def test_thresholds_decide_between_backchannel_and_interruption():
    for length, limit in product((0.3, 0.5, 0.8), (0.4, 0.7)):
        parameters = TurnParameters(interruption_min_s=limit)
        events = follow([(4.0, 4.0 + length)], [(1.0, 8.0)], parameters=parameters)
        assert ("interruption" in kinds(events)) == (length > limit)
        assert ("backchannel" in kinds(events)) == (length < limit)
