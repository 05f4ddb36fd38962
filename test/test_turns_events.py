"""The definition of every turn event, on conversations worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from turns_support import FRAME, RATE, decided, follow, only, onset, story

from personaplex_ros.turns import TurnEvent, TurnParameters, TurnTracker

SPEECH = ("user_started", "user_stopped", "user_finished", "robot_started", "robot_stopped")


def among(events: list[TurnEvent], *kinds: str) -> list[str]:
    """Return the story of some kinds."""
    return story([event for event in events if event.kind in kinds])


def beside_speech(events: list[TurnEvent]) -> list[str]:
    """Return the story without starts and stops."""
    return story([event for event in events if event.kind not in SPEECH])


def test_an_answered_question_in_full():
    events = follow(user=[(1.0, 3.0)], robot=[(3.5, 6.0)], seconds=8.0)
    assert story(events) == [
        "user_started?",
        "user_started",
        "engagement_started",
        "user_stopped",
        "robot_started",
        "user_finished",
        "robot_takeover",
        "robot_stopped",
    ]
    assert onset(events, "engagement_started") == onset(events, "user_started")
    assert onset(events, "robot_takeover") == onset(events, "robot_started")
    assert decided(events, "robot_takeover") - 3.5 == pytest.approx(1.0, abs=0.1)


def test_an_interruption_in_full_is_one_episode():
    events = follow(user=[(4.0, 6.0)], robot=[(1.0, 4.8), (6.5, 8.0)], seconds=9.0)
    assert story(events) == [
        "robot_started",
        "user_started?",
        "interruption?",
        "user_started",
        "overlap_started",
        "engagement_started",
        "interruption",
        "robot_stopped",
        "robot_yielded",
        "overlap_ended",
        "user_stopped",
        "robot_started",
        "interruption_resolved",
        "user_finished",
        "robot_takeover",
        "robot_stopped",
    ]
    told = [e for e in events if e.kind.startswith("interruption") or e.kind == "robot_yielded"]
    assert len({event.episode for event in told}) == 1
    assert onset(events, "interruption", "suspected") == onset(events, "interruption")
    assert 0.0 < decided(events, "interruption", "suspected") - 4.0 < 0.15
    assert onset(events, "interruption_resolved") == pytest.approx(6.5, abs=0.02)


def test_a_suspected_interruption_turns_out_to_be_a_backchannel():
    events = follow(user=[(4.0, 4.45)], robot=[(1.0, 8.0)], seconds=7.0)
    kinds = ("interruption", "backchannel", "interruption_resolved")
    assert among(events, *kinds) == ["interruption?", "backchannel < interruption"]
    suspected, backchannel = (event for event in events if event.kind in kinds)
    assert suspected.episode == backchannel.episode
    assert suspected.onset_ns == backchannel.onset_ns
    # Known once the person was silent for user_end_silence_s.
    assert decided(events, "backchannel") - 4.45 < 0.32 + 0.032 + 0.01 + 0.08


def test_a_cough_is_taken_back_within_two_frames():
    events = follow(user=[(4.0, 4.06)], robot=[(1.0, 8.0)], seconds=7.0)
    assert story(events) == [
        "robot_started",
        "user_started?",
        "interruption?",
        "user_stopped < user_started",
        "interruption_resolved < interruption",
    ]
    assert decided(events, "interruption_resolved") - 4.06 < 0.16
    assert only(events, "user_stopped").episode == only(events, "user_started", "suspected").episode


def test_the_person_who_takes_the_turn_as_the_robot_ends_was_suspected_only():
    events = follow(user=[(4.0, 6.0)], robot=[(1.0, 4.1)], seconds=8.0)
    assert beside_speech(events) == [
        "interruption?",
        "engagement_started",
        "interruption_resolved < interruption",
        "user_takeover",
    ]


def test_speech_in_a_pause_of_the_robot_is_suspected_when_the_robot_is_heard_again():
    events = follow(user=[(4.1, 6.0)], robot=[(1.0, 4.0), (4.3, 8.0)], seconds=9.0)
    assert decided(events, "interruption", "suspected") == pytest.approx(4.32, abs=0.09)
    silent = follow(user=[(4.1, 6.0)], robot=[(1.0, 4.0)], seconds=9.0)
    assert "interruption?" not in story(silent)


def test_a_second_attempt_is_suspected_although_the_first_is_not_judged_yet():
    events = follow(
        user=[(4.0, 4.2), (4.62, 6.0)], robot=[(1.0, 4.18), (4.55, 8.0)], seconds=7.0
    )  # the robot pauses, so the first sound is not known to be a backchannel
    kinds = ("interruption", "interruption_resolved", "backchannel")
    assert among(events, *kinds) == [
        "interruption?",
        "interruption_resolved < interruption",
        "interruption?",
        "interruption",
        "interruption_resolved",
    ]


@pytest.mark.parametrize(("end", "outcome"), [(5.9, "robot_yielded"), (6.1, "robot_kept_floor")])
def test_the_robot_yields_within_the_window_or_keeps_the_floor(end, outcome):
    events = follow(user=[(4.0, 7.0)], robot=[(1.0, end)], seconds=9.0)
    assert among(events, "robot_yielded", "robot_kept_floor") == [outcome]
    assert onset(events, outcome) == pytest.approx(min(end, 6.0), abs=0.033)


def test_an_interruption_that_the_robot_talks_through_is_over_when_the_person_stops():
    events = follow(user=[(4.0, 7.0)], robot=[(1.0, 9.0)], seconds=10.0)
    assert among(events, "robot_kept_floor", "interruption_resolved", "user_takeover") == [
        "robot_kept_floor",
        "interruption_resolved",
    ]
    assert onset(events, "interruption_resolved") == pytest.approx(7.0, abs=0.033)


def test_an_answer_that_is_quicker_than_the_end_of_turn_resolves():
    # The person's end is sure only after its silence, and the robot may start before that.
    events = follow(user=[(4.0, 6.0)], robot=[(1.0, 4.8), (6.1, 8.0)], seconds=9.0)
    assert onset(events, "interruption_resolved") == pytest.approx(6.1, abs=0.033)
    assert decided(events, "interruption_resolved") < 6.0 + 0.32 + 0.13


def test_a_short_sound_of_the_robot_while_the_person_speaks_is_no_answer():
    events = follow(user=[(4.0, 8.0)], robot=[(1.0, 4.8), (6.0, 6.3), (8.5, 10.0)], seconds=11.0)
    assert onset(events, "interruption_resolved") == pytest.approx(8.5, abs=0.02)
    assert among(events, "robot_backchannel") == ["robot_backchannel"]


def test_a_person_who_pauses_and_goes_on_makes_one_interruption():
    events = follow(user=[(4.0, 4.8), (5.3, 7.0)], robot=[(1.0, 5.5), (7.5, 9.0)], seconds=10.0)
    kinds = ("interruption", "robot_yielded", "interruption_resolved", "user_takeover")
    assert among(events, *kinds) == [
        "interruption?",
        "interruption",
        "robot_yielded",
        "interruption_resolved",
    ]


def test_an_interruption_that_nobody_answers_is_over_after_a_long_silence():
    events = follow(user=[(4.0, 6.0)], robot=[(1.0, 4.8)], seconds=12.0)
    assert onset(events, "interruption_resolved") == pytest.approx(6.0, abs=0.033)
    assert decided(events, "interruption_resolved") == pytest.approx(10.0, abs=0.1)


def test_turns_are_taken_in_turn():
    events = follow(
        user=[(1.0, 2.0), (5.0, 6.0), (9.0, 9.4)], robot=[(2.5, 4.5), (6.5, 8.5), (9.9, 11.5)]
    )
    assert among(events, "user_takeover", "robot_takeover") == [
        "robot_takeover",
        "user_takeover",
        "robot_takeover",
        "user_takeover",
        "robot_takeover",
    ]
    takeovers = [(e.onset_ns - 17e17) / 1e9 for e in events if e.kind.endswith("_takeover")]
    assert takeovers == pytest.approx([2.5, 5.0, 6.5, 9.0, 9.9], abs=0.033)


def test_the_first_to_speak_takes_the_floor_from_nobody():
    assert "robot_takeover" not in story(follow(user=[], robot=[(1.0, 3.0)], seconds=5.0))
    assert "user_takeover" not in story(follow(user=[(1.0, 3.0)], robot=[], seconds=5.0))


def test_a_robot_that_goes_on_after_a_backchannel_does_not_take_the_turn():
    events = follow(user=[(1.0, 2.0), (4.0, 4.4)], robot=[(2.5, 5.0), (6.0, 8.0)], seconds=10.0)
    assert among(events, "robot_takeover", "user_takeover") == ["robot_takeover"]


@pytest.mark.parametrize(
    ("words", "seconds"), [({}, 1.0), ({3.5: 2, 3.74: 2}, 0.26), ({3.5: 3}, 1.0), ({3.3: 4}, 0.06)]
)
def test_four_words_or_a_second_make_the_robots_speech_a_turn(words, seconds):
    events = follow(user=[(1.0, 3.0)], robot=[(3.5, 6.0)], words=words)
    assert 0.0 <= decided(events, "robot_takeover") - 3.5 - seconds < 0.1


def test_the_words_of_an_earlier_turn_do_not_count():
    events = follow(
        user=[(1.0, 2.0), (5.0, 6.0)], robot=[(2.5, 4.0), (6.5, 8.5)], words={2.5: 9, 6.5: 1}
    )
    last = [event for event in events if event.kind == "robot_takeover"][-1]
    assert (last.decided_ns - last.onset_ns) / 1e9 > 0.9


@pytest.mark.parametrize(
    ("length", "words", "expected"),
    [(0.5, 2, "robot_backchannel"), (0.5, 4, "robot_takeover"), (1.2, 0, "robot_takeover")],
)
def test_a_short_sound_of_the_robot_within_the_persons_turn_is_its_backchannel(
    length, words, expected
):
    events = follow(user=[(1.0, 6.0)], robot=[(3.0, 3.0 + length)], words={3.0: words})
    assert among(events, "robot_backchannel", "robot_takeover") == [expected]
    assert onset(events, expected) == pytest.approx(3.0, abs=0.02)


def test_a_short_answer_is_a_turn_and_no_backchannel():
    for user in ([(1.0, 2.0)], [(1.0, 2.0), (3.2, 5.0)]):
        events = follow(user=user, robot=[(2.4, 2.8)], seconds=4.0)
        assert among(events, "robot_backchannel", "robot_takeover") == ["robot_takeover"]


@pytest.mark.parametrize("robot", [(2.0, 5.0), (0.5, 2.5)])
def test_an_overlap_lasts_from_the_later_begin_to_the_earlier_end(robot):
    events = follow(user=[(1.0, 4.0)], robot=[robot], seconds=8.0)
    assert among(events, "overlap_started", "overlap_ended") == ["overlap_started", "overlap_ended"]
    assert onset(events, "overlap_started") == pytest.approx(max(1.0, robot[0]), abs=0.033)
    assert onset(events, "overlap_ended") == pytest.approx(min(4.0, robot[1]), abs=0.033)
    assert only(events, "overlap_started").episode == only(events, "overlap_ended").episode


def test_a_touch_of_two_turns_is_no_overlap():
    assert "overlap_started" not in story(follow(user=[(1.0, 3.0)], robot=[(2.85, 5.0)]))


def test_a_long_silence_is_told_once_until_somebody_speaks():
    events = follow(user=[(1.0, 2.0), (12.0, 13.0)], robot=[], seconds=19.0)
    silences = [event for event in events if event.kind == "long_silence"]
    assert [(e.onset_ns - 17e17) / 1e9 for e in silences] == pytest.approx([2.0, 13.0], abs=0.033)
    assert decided(events[: events.index(silences[1])], "long_silence") == pytest.approx(6, abs=0.1)


def test_without_an_engagement_no_silence_is_long():
    assert "long_silence" not in story(follow(user=[], robot=[(1.0, 3.0)], seconds=19.0))


def test_an_engagement_ends_after_the_persons_silence_the_robots_speech_not_counted():
    def ended_s(robot):
        events = follow(user=[(1.0, 2.0)], robot=robot, seconds=36.0)
        assert among(events, "engagement_started", "engagement_ended") == [
            "engagement_started",
            "engagement_ended",
        ]
        return decided(events, "engagement_ended")

    assert ended_s([]) == pytest.approx(2.32 + 20.0, abs=0.15)
    # 6 s of speech and the 0.4 s after it in which it may go on.
    assert ended_s([(4.0, 10.0)]) == pytest.approx(2.32 + 20.0 + 6.4, abs=0.3)


def test_a_short_sound_begins_no_engagement():
    assert "engagement_started" not in story(follow(user=[(1.0, 1.3)], robot=[]))


def test_suspicions_can_be_turned_off():
    sure = TurnParameters(user_suspect_s=1.0)
    events = follow([(4.0, 6.0)], [(1.0, 4.8)], parameters=sure)
    assert among(events, "user_started") == ["user_started"]
    assert {event.revises for event in events} == {""}


def test_every_message_is_told_once_and_every_beginning_has_its_end():
    ends = {
        "user_started": {"user_stopped"},
        "robot_started": {"robot_stopped"},
        "interruption": {"interruption_resolved", "backchannel"},
        "overlap_started": {"overlap_ended"},
        "engagement_started": {"engagement_ended"},
    }
    rng = np.random.default_rng(8)
    seen: set[str] = set()
    for _ in range(25):
        sides = []
        for _ in range(2):
            edges = np.cumsum(rng.exponential(0.7, 30))
            sides.append([(float(a), float(b)) for a, b in edges.reshape(-1, 2)])
        tracker = TurnTracker(TurnParameters(long_silence_s=1.0), RATE, FRAME)
        events = follow(*sides, seconds=20.0, tracker=tracker)
        events += tracker.end()
        told = [(event.episode, event.kind, event.state) for event in events]
        assert len(told) == len(set(told))
        for episode in {event.episode for event in events}:
            own = [event for event in events if event.episode == episode]
            begun, last = own[0].kind, own[-1].kind
            if begun in ends:
                assert last in ends[begun]
                assert sum(event.kind in ends[begun] for event in own) == 1
            suspected = [event.kind for event in own if event.state == "suspected"]
            sure = {event.kind for event in own if event.state == "confirmed"}
            revised = {event.revises for event in own} - {""}
            for kind in suspected:  # it is confirmed or taken back, and never both
                assert (kind in sure) != (kind in revised)
            assert revised <= set(suspected)
        seen |= set(story(events))
    assert {"interruption_resolved < interruption", "backchannel < interruption"} <= seen
    kinds = {kind.split(" ")[0].rstrip("?") for kind in seen}
    assert len(kinds) == 18
