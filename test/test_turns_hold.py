"""When the robot's motion pauses and when it goes on."""

from __future__ import annotations

import pytest

from personaplex_ros.turns import HoldParameters, MotionHold, TurnEvent


def at(seconds: float) -> int:
    return round(seconds * 1e9)


def holds(script: list[tuple[float, list[str]]], timeout_s: float = 8.0) -> list[bool]:
    """Feed kinds of events at their times (seconds); return whether it holds after each."""
    hold = MotionHold(HoldParameters(timeout_s))
    return [
        hold.update(at(now), [TurnEvent(kind, at(now), at(now), 1.0) for kind in kinds])
        for now, kinds in script
    ]


def test_it_holds_from_an_interruption_until_the_robot_answers():
    script = [
        (0.0, ["robot_started"]),
        (1.0, ["user_started"]),
        (1.6, ["interruption"]),
        (2.0, ["robot_stopped", "robot_yielded"]),
        (3.0, ["user_stopped"]),
        (3.5, []),
        (4.0, ["robot_started"]),
        (9.0, ["robot_stopped"]),
    ]
    assert holds(script) == [False, False, True, True, True, True, False, False]


def test_an_answer_that_is_quicker_than_the_end_of_turn_counts():
    # The person's end is sure only after its silence, and the robot may start before that.
    script = [
        (1.6, ["interruption"]),
        (2.0, ["robot_stopped"]),
        (3.2, ["robot_started"]),
        (3.3, ["user_stopped"]),
    ]
    assert holds(script) == [True, True, True, False]


def test_a_short_sound_of_the_robot_while_the_person_speaks_is_no_answer():
    script = [
        (1.6, ["interruption"]),
        (2.0, ["robot_stopped"]),
        (2.5, ["robot_started"]),
        (2.9, ["robot_stopped"]),
        (3.3, ["user_stopped"]),
        (3.8, ["robot_started"]),
    ]
    assert holds(script) == [True, True, True, True, True, False]


def test_a_person_who_goes_on_is_still_to_be_answered():
    script = [
        (1.6, ["interruption"]),
        (2.0, ["robot_stopped", "user_stopped"]),
        (2.5, ["user_started"]),
        (3.0, ["robot_started"]),
        (3.5, ["user_stopped"]),
    ]
    assert holds(script) == [True, True, True, True, False]


def test_it_gives_up_after_the_timeout_by_the_clock_it_is_given():
    assert holds([(1.0, ["interruption"]), (8.99, []), (9.0, [])]) == [True, True, False]
    again = [(1.0, ["interruption"]), (3.0, ["interruption"]), (4.9, []), (5.0, [])]
    assert holds(again, timeout_s=2.0) == [True, True, True, False]


def test_a_clock_set_back_does_not_hold_for_longer_than_the_timeout():
    script = [(1_000.0, ["interruption"]), (10.0, []), (11.9, []), (12.0, [])]
    assert holds(script, timeout_s=2.0) == [True, True, True, False]


@pytest.mark.parametrize("kind", ["backchannel", "user_started", "robot_stopped", "robot_yielded"])
def test_nothing_but_an_interruption_holds(kind):
    assert holds([(1.0, [kind])]) == [False]


def test_a_new_conversation_does_not_hold():
    hold = MotionHold()
    assert hold.update(at(1.0), [TurnEvent("interruption", at(0.5), at(1.0), 1.0)])
    hold.reset()
    assert not hold.update(at(1.1), [])


def test_a_timeout_of_nothing_is_refused():
    with pytest.raises(ValueError, match="timeout_s"):
        HoldParameters(timeout_s=0.0)
