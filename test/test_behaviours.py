"""Behaviours of a tree: what they return at every tick, and a receptionist made of them."""

# ruff: noqa: D102

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import py_trees
import pytest
from dds_support import wait_until
from py_trees.common import Status

from personaplex_ros.behaviours import ConversationState, ConversationTopics, Speech
from personaplex_ros.behaviours.tree import (
    ConversationToBlackboard,
    Converse,
    HoldWhileInterrupted,
    Say,
    SwitchOn,
    WaitForUser,
    receptionist,
)
from personaplex_ros.node.bare.bus import BareBus
from personaplex_ros.node.bare.middleware import open_bus
from personaplex_ros.node.hosts.bus import Goal
from personaplex_ros.node.requests.say_action import SAY
from personaplex_ros.node.state_topics import StateTopics, TurnState


@pytest.fixture(autouse=True)
def blackboard() -> Iterator[None]:
    py_trees.blackboard.Blackboard.clear()
    yield
    py_trees.blackboard.Blackboard.clear()


def at(now_s: float, *said: str) -> ConversationState:
    """Return a state just heard, in which what is named in `said` is true."""
    return ConversationState(
        now_s, now_s, *(name in said for name in ("user", "robot", "engaged", "hold"))
    )


def statuses(
    behaviour: py_trees.behaviour.Behaviour, states: list[ConversationState]
) -> list[Status]:
    """Tick a behaviour behind ConversationToBlackboard, once for every state."""
    script = iter(states)
    root = py_trees.composites.Sequence(
        "root", memory=False, children=[ConversationToBlackboard(read=script.__next__), behaviour]
    )
    root.setup_with_descendants()
    found = []
    for _ in states:
        root.tick_once()
        found.append(behaviour.status)
    return found


R, S = Status.RUNNING, Status.SUCCESS


def test_waiting_ends_when_the_person_speaks():
    states = [at(0.0), at(0.1, "robot"), at(0.2, "user")]
    assert statuses(WaitForUser(), states) == [R, R, S]


def test_what_was_said_before_the_node_went_away_does_not_count():
    gone = ConversationState(now_s=9.0, heard_s=1.0, user_speaking=True)
    assert statuses(WaitForUser(), [gone]) == [R]


def test_holding_lasts_as_long_as_motion_hold():
    states = [at(0.0), at(0.1, "user", "hold"), at(0.2, "hold"), at(0.3)]
    assert statuses(HoldWhileInterrupted(), states) == [S, R, R, S]


def test_holding_fails_safe_before_the_first_message_and_after_the_last():
    unknown = ConversationState(now_s=0.0)
    late = ConversationState(now_s=1.0, heard_s=0.45)
    in_time = ConversationState(now_s=1.0, heard_s=0.55)
    assert statuses(HoldWhileInterrupted(), [unknown, late, in_time]) == [R, R, S]


def test_a_conversation_lasts_as_long_as_the_engagement():
    states = [
        at(0.0, "user"),  # the node has not decided yet
        at(0.5, "user", "engaged"),
        at(1.0, "engaged"),
        at(2.0, "robot", "engaged"),
        at(9.0),
    ]
    assert statuses(Converse(), states) == [R, R, R, R, S]


def test_a_short_sound_is_a_conversation_as_long_as_it_lasts():
    assert statuses(Converse(), [at(0.0, "user"), at(0.3)]) == [R, S]


def test_a_robot_that_speaks_by_itself_does_not_converse():
    assert statuses(Converse(), [at(0.0, "robot")]) == [S]


def test_a_conversation_ends_with_the_node():
    gone = ConversationState(now_s=0.6, heard_s=0.0, user_speaking=True, engaged=True)
    assert statuses(Converse(), [at(0.0, "user", "engaged"), gone]) == [R, S]


def patrol(states: list[ConversationState]) -> tuple[list[bool], list[bool]]:
    """Tick the receptionist's tree; return whether it moves after each tick, and all switching."""
    script, switched = iter(states), [False]
    work = SwitchOn("work", switched.append)
    tree = py_trees.trees.BehaviourTree(receptionist(work, read=script.__next__))
    tree.setup()
    moved = []
    for _ in states:
        tree.tick()
        moved.append(switched[-1])
    return moved, switched[1:]


def test_a_receptionist_works_talks_when_spoken_to_and_goes_on():
    states = [
        at(0.0),
        at(0.1),
        at(0.2, "user"),
        at(0.6, "user", "engaged"),
        at(1.0, "engaged"),  # a pause is not the end
        at(2.0, "robot", "engaged"),
        at(9.0),
        at(9.1),
    ]
    moved, switched = patrol(states)
    assert moved == [True, True, False, False, False, False, False, True]
    assert switched == [True, False, True]


def test_a_receptionist_that_hears_nothing_of_the_node_stays_where_it_is():
    moved, _ = patrol([ConversationState(0.0), at(0.1), ConversationState(1.0, 0.1)])
    assert moved == [False, True, False]


def test_the_state_comes_from_the_topics_of_the_node(any_graph: None) -> None:
    node, tree = open_bus("personaplex"), open_bus("tree")
    try:
        topics = ConversationTopics(tree)
        assert topics.read().must_hold, "nothing is known yet"
        state = StateTopics(node, 10.0, 8.0)
        wait_until(lambda: topics.read().known and not topics.read().must_hold)
        state.set(TurnState(user_speaking=True, hold=True))
        wait_until(lambda: topics.read().user_speaking and topics.read().hold)
        state.close()
        wait_until(lambda: not topics.read().known)
        topics.close()
    finally:
        node.close()
        tree.close()


class Mouth:
    """Serves `say` in place of the node; goals are ended by the test."""

    def __init__(self, bus: BareBus) -> None:
        self.type: Any = bus.message(SAY)
        self.goals: list[Goal] = []
        bus.serve_action("~/say", SAY, self.goals.append)

    def goal(self) -> Goal:
        wait_until(lambda: self.goals)
        return self.goals[-1]


@pytest.fixture
def mouth(any_graph: None) -> Iterator[tuple[Mouth, Say]]:
    """Return the node's end of `say` and a behaviour that knows it."""
    node, tree = open_bus("personaplex"), open_bus("tree")
    mouth, speech = Mouth(node), Speech(tree)
    wait_until(speech._client.ready)
    yield mouth, Say("good morning", speech=speech)
    tree.close()
    node.close()


def test_a_sentence_is_said_and_then_the_tree_goes_on(mouth: tuple[Mouth, Say]) -> None:
    node, say = mouth
    say.tick_once()
    goal = node.goal()
    assert (say.status, goal.request.text) == (R, "good morning")
    goal.feedback(node.type.Feedback(word="good"))

    def told() -> str:
        say.tick_once()
        return say.feedback_message

    wait_until(lambda: told() == "good")
    assert say.status == R
    goal.end("succeeded", node.type.Result(success=True))
    wait_until(lambda: told() == "good" and say.status == S)


def test_a_sentence_that_was_not_said_is_a_failure_with_its_reason(
    mouth: tuple[Mouth, Say],
) -> None:
    node, say = mouth
    say.tick_once()
    node.goal().end("aborted", node.type.Result(message="the node is not active"))
    wait_until(lambda: say.tick_once() or say.status == Status.FAILURE)
    assert say.feedback_message == "the node is not active"


def test_a_behaviour_that_is_stopped_silences_the_robot(mouth: tuple[Mouth, Say]) -> None:
    node, say = mouth
    say.tick_once()
    goal = node.goal()
    say.stop(Status.INVALID)
    wait_until(lambda: goal.cancel_requested)
    goal.end("canceled", node.type.Result())
    say.tick_once()
    wait_until(lambda: len(node.goals) == 2)


def test_without_a_node_nothing_is_said(bus: BareBus) -> None:
    say = Say("good morning", speech=Speech(bus))
    say.tick_once()
    assert say.status == Status.FAILURE
    assert "nobody serves the action personaplex/say" in say.feedback_message


def test_a_tree_without_a_source_says_what_it_needs():
    with pytest.raises(KeyError, match=r"setup\(node=\.\.\.\)"):
        ConversationToBlackboard().setup()
    with pytest.raises(RuntimeError, match="before the tree's setup"):
        ConversationToBlackboard().update()
    with pytest.raises(KeyError, match=r"setup\(node=\.\.\.\).*speech="):
        Say("yes").setup()
    with pytest.raises(RuntimeError, match="before the tree's setup"):
        Say("yes").initialise()


def test_without_py_trees_the_remedy_is_named_and_the_rest_works():
    code = (
        "import sys; sys.modules['py_trees'] = None\n"
        "from personaplex_ros.behaviours import Speech\n"
        "from personaplex_ros.simulation.nodes import PatrolNode\n"
        "for module in ('behaviours.tree', 'simulation.receptionist'):\n"
        "    try:\n        __import__(f'personaplex_ros.{module}')\n"
        "    except ImportError as error:\n        print(error)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.count("pip install py_trees") == 2
