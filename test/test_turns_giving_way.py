"""When a robot that talks on is silenced, and how."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from turns_support import FRAME, FRAME_S, RATE, Spans, decided, follow, only, onset, story

from personaplex_ros.turns import GivingWay, TurnEvent, TurnParameters, TurnUpdate

ASSIST = TurnParameters(yield_="assist")
QUIET = TurnUpdate([], False, False, False, False, None, None)
LOUD = TurnUpdate([], False, True, False, False, None, None)
SILENCED = TurnUpdate([TurnEvent("robot_silenced", 0, 0, 1.0)], True, True, False, True, None, None)


def told(events: list[TurnEvent]) -> list[str]:
    """Return what was told of interruptions."""
    kinds = ("interruption", "robot_silenced", "robot_yielded", "robot_kept_floor", "backchannel")
    return [event.kind for event in events if event.kind in kinds and event.state == "confirmed"]


def test_a_robot_that_talks_on_is_silenced_after_the_stated_time_and_has_yielded() -> None:
    talks_on: Spans = [(1.0, 9.0)]
    person: Spans = [(3.0, 6.0)]
    asked_s = decided(follow(person, talks_on, parameters=ASSIST), "robot_silenced")
    events = follow(person, [(1.0, asked_s + 0.08)], parameters=ASSIST)
    assert told(events) == ["interruption", "robot_silenced", "robot_yielded"]
    patience_s = decided(events, "robot_silenced") - decided(events, "interruption")
    assert ASSIST.yield_after_s <= patience_s <= ASSIST.yield_after_s + 2 * FRAME_S
    episodes = {only(events, kind).episode for kind in told(events)}
    assert len(episodes) == 1
    assert onset(events, "robot_yielded") == pytest.approx(asked_s + 0.08, abs=0.03)


def test_what_a_silenced_robot_does_later_than_the_window_is_still_yielding() -> None:
    late = TurnParameters(yield_="assist", yield_after_s=1.2)
    person: Spans = [(3.0, 8.0)]
    asked_s = decided(follow(person, [(1.0, 9.0)], parameters=late), "robot_silenced")
    assert asked_s < 5.0 < asked_s + 0.5
    events = follow(person, [(1.0, asked_s + 0.5)], parameters=late)
    assert told(events) == ["interruption", "robot_silenced", "robot_yielded"]


@pytest.mark.parametrize(
    ("person", "robot", "expected"),
    [
        ([(3.0, 6.0)], [(1.0, 3.5)], ["interruption", "robot_yielded"]),  # gives way by itself
        ([(3.0, 6.0)], [(1.0, 3.9)], ["interruption", "robot_yielded"]),  # after the confirmation
        ([(3.0, 3.4)], [(1.0, 9.0)], ["backchannel"]),
        ([(3.0, 3.8)], [(1.0, 9.0)], ["interruption", "robot_kept_floor"]),  # a long "mhm"
        ([(3.0, 4.2)], [(1.0, 9.0)], ["interruption", "robot_silenced", "robot_yielded"]),
        # A pause of the robot's is no reason, but it does not go on after it.
        ([(3.0, 6.0)], [(1.0, 3.6), (3.9, 9.0)], ["interruption", "robot_silenced"]),
    ],
)
def test_only_a_robot_that_does_not_yield_is_silenced(
    person: Spans, robot: Spans, expected: list[str]
) -> None:
    assert told(follow(person, robot, parameters=ASSIST))[: len(expected)] == expected


def test_the_answer_to_an_interruption_is_not_silenced() -> None:
    events = follow([(3.0, 6.0)], [(1.0, 3.5), (5.0, 9.0)], parameters=ASSIST)
    assert told(events) == ["interruption", "robot_yielded"]


def test_a_silenced_robot_that_begins_anew_before_the_person_has_ended_is_silenced_again() -> None:
    events = follow([(3.0, 8.0)], [(1.0, 4.2), (5.0, 5.4), (6.2, 9.0)], parameters=ASSIST)
    assert told(events)[:4] == [
        "interruption", "robot_silenced", "robot_yielded", "robot_silenced",
    ]  # fmt: skip
    asked = [event for event in events if event.kind == "robot_silenced"]
    later_s = (asked[1].onset_ns - asked[0].onset_ns) / 1e9
    assert 5.0 + 0.3 - 4.1 <= later_s <= 5.4 - 4.0 and asked[0].episode == asked[1].episode


def test_a_silenced_robot_may_answer_as_soon_as_the_person_has_ended() -> None:
    events = follow([(3.0, 4.5)], [(1.0, 4.2), (5.0, 9.0)], parameters=ASSIST)
    assert told(events) == ["interruption", "robot_silenced", "robot_yielded"]


def test_left_to_the_model_nothing_is_asked_for() -> None:
    events = follow([(3.0, 6.0)], [(1.0, 9.0)], parameters=TurnParameters(yield_="model"))
    assert told(events) == ["interruption", "robot_kept_floor"]


@pytest.mark.parametrize(
    ("values", "problem"),
    [({"yield_": "never"}, "choose one of model, assist"), ({"yield_after_s": -1.0}, "negative")],
)
def test_other_settings_are_refused(values: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        TurnParameters(**values)  # type: ignore[arg-type]


@dataclass
class Model:
    """What the model was told."""

    told: list[str] = field(default_factory=list)

    def keep_silent(self) -> None:
        """Take note."""
        self.told.append("keep silent")

    def go_on(self) -> None:
        """Take note."""
        self.told.append("go on")


def test_the_sound_fades_the_model_is_kept_silent_and_then_both_are_free_again() -> None:
    model = Model()
    way, played = GivingWay(RATE, model), []
    for update in (LOUD, SILENCED, LOUD, LOUD, QUIET, LOUD, LOUD):
        frame = np.ones(FRAME, np.float32)
        way.shape(frame)
        played.append(frame)
        way.follow(update)
    assert model.told == ["keep silent", "go on"]
    assert np.all(played[0] == 1) and np.all(played[1] == 1)
    assert np.all(np.diff(played[2]) <= 0) and played[2][-1] == 0  # within 80 ms
    assert not np.any(played[3:5])
    assert np.all(np.diff(played[5]) >= 0) and np.all(played[6] == 1)


def test_a_robot_that_is_told_to_speak_is_heard_at_once() -> None:
    model = Model()
    way = GivingWay(RATE, model)
    way.follow(SILENCED)
    way.end()
    way.end()
    way.follow(LOUD)
    frames = np.ones((2, FRAME), np.float32)
    for frame in frames:
        way.shape(frame)
    assert model.told == ["keep silent", "go on"] and np.all(frames == 1)


def test_the_story_names_the_help_between_the_interruption_and_the_yielding() -> None:
    events = follow([(3.0, 4.4)], [(1.0, 4.6), (5.5, 7.0)], parameters=ASSIST)
    names = [line for line in story(events) if "robot_" in line or "interruption" in line]
    assert names[names.index("interruption") :][:3] == [
        "interruption", "robot_silenced", "robot_stopped",
    ]  # fmt: skip
