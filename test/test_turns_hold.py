"""When the robot's motion pauses and when it goes on."""

from __future__ import annotations

import pytest

from personaplex_ros.turns import HoldParameters, MotionHold, TurnEvent


def at(seconds: float) -> int:
    return round(seconds * 1e9)


def told(now_s: float, kind: str, **fields) -> TurnEvent:
    return TurnEvent(kind, at(now_s), at(now_s), 1.0, **{"episode": 1, **fields})


def suspected(now_s: float, episode: int = 1) -> TurnEvent:
    return told(now_s, "interruption", episode=episode, state="suspected")


def holds(
    script: list[tuple[float, list[TurnEvent | str]]],
    timeout_s: float = 8.0,
    on_suspicion: bool = True,
) -> list[bool]:
    """Feed events, or kinds of them, at their times (seconds); return whether it holds then."""
    hold = MotionHold(HoldParameters(timeout_s, on_suspicion))
    return [
        hold.update(at(now), [told(now, e) if isinstance(e, str) else e for e in events])
        for now, events in script
    ]


def test_it_holds_from_an_interruption_until_it_is_resolved():
    script = [
        (0.0, ["robot_started"]),
        (1.0, ["user_started"]),
        (1.6, ["interruption"]),
        (2.0, ["robot_stopped", "robot_yielded"]),
        (3.0, ["user_stopped"]),
        (4.0, ["robot_started", "interruption_resolved"]),
        (9.0, ["robot_stopped"]),
    ]
    assert holds(script) == [False, False, True, True, True, False, False]


def test_a_suspicion_holds_at_once_and_goes_on_when_it_is_confirmed():
    script = [(1.0, [suspected(1.0)]), (1.6, ["interruption"]), (2.9, []), (3.0, [])]
    assert holds(script, timeout_s=2.0) == [True, True, True, False]


def test_a_suspicion_may_be_told_not_to_hold():
    script = [(1.0, [suspected(1.0)]), (1.6, ["interruption"])]
    assert holds(script, on_suspicion=False) == [False, True]


@pytest.mark.parametrize("kind", ["backchannel", "interruption_resolved"])
def test_what_takes_the_suspicion_back_lets_go_at_once(kind):
    taken_back = told(1.4, kind, revises="interruption")
    assert holds([(1.0, [suspected(1.0)]), (1.4, [taken_back])]) == [True, False]


def test_the_end_of_another_interruption_does_not_let_go():
    other = told(1.4, "interruption_resolved", episode=1)
    assert holds([(1.0, [suspected(1.0, episode=2)]), (1.4, [other])]) == [True, True]


def test_what_begins_and_ends_within_one_frame_does_not_hold():
    over = told(1.0, "interruption_resolved", revises="interruption")
    assert holds([(1.0, [suspected(1.0), over])]) == [False]


def test_it_gives_up_after_the_timeout_by_the_clock_it_is_given():
    assert holds([(1.0, ["interruption"]), (8.99, []), (9.0, [])]) == [True, True, False]
    second = told(2.5, "interruption", episode=2)
    again = [(1.0, ["interruption"]), (2.5, [second]), (4.4, []), (4.5, [])]
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
