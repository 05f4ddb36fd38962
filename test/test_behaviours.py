"""Behaviours of a tree: what they return at every tick, and a receptionist made of them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import py_trees
import pytest
from dds_support import loopback, wait_until
from py_trees.common import Status

from personaplex_ros.behaviours import ConversationState, ConversationTopics, Engagement
from personaplex_ros.behaviours.tree import (
    ConversationToBlackboard,
    Converse,
    HoldWhileInterrupted,
    SwitchOn,
    WaitForUser,
    receptionist,
)
from personaplex_ros.node.dds.bus import DdsBus
from personaplex_ros.node.state_topics import StateTopics, TurnState


@pytest.fixture(autouse=True)
def blackboard() -> Iterator[None]:
    py_trees.blackboard.Blackboard.clear()
    yield
    py_trees.blackboard.Blackboard.clear()


def at(now_s: float, *said: str) -> ConversationState:
    """Return a state just heard, in which what is named in `said` is true."""
    return ConversationState(now_s, now_s, *(name in said for name in ("user", "robot", "hold")))


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


def test_a_conversation_ends_when_neither_has_spoken_for_a_while():
    states = [
        at(0.0, "user"),
        at(2.0),
        at(2.9, "robot"),  # an answer goes on with it
        at(5.8),
        at(5.9),
        at(6.0, "robot"),  # too late: it has ended
    ]
    assert statuses(Converse(silence_s=3.0), states) == [R, R, R, R, S, S]


def test_a_robot_that_speaks_by_itself_is_not_engaged():
    engagement = Engagement(3.0)
    assert not engagement.update(at(0.0, "robot"))
    assert engagement.update(at(0.1, "robot", "user"))


def test_a_conversation_ends_with_the_node():
    engagement = Engagement(3.0)
    assert engagement.update(at(0.0, "user"))
    assert not engagement.update(ConversationState(now_s=0.6, heard_s=0.0, user_speaking=True))


def test_a_silence_of_nothing_is_refused():
    with pytest.raises(ValueError, match="silence_s is 0"):
        Engagement(0.0)


def patrol(states: list[ConversationState]) -> tuple[list[bool], list[bool]]:
    """Tick the receptionist's tree; return whether it moves after each tick, and all switching."""
    script, switched = iter(states), [False]
    work = SwitchOn("work", switched.append)
    tree = py_trees.trees.BehaviourTree(receptionist(work, read=script.__next__, silence_s=3.0))
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
        at(0.3),  # a pause of the person is not the end
        at(1.0, "robot"),
        at(3.9),
        at(4.1),
        at(4.2),
    ]
    moved, switched = patrol(states)
    assert moved == [True, True, False, False, False, False, False, True]
    assert switched == [True, False, True]


def test_a_receptionist_that_hears_nothing_of_the_node_stays_where_it_is():
    moved, _ = patrol([ConversationState(0.0), at(0.1), ConversationState(1.0, 0.1)])
    assert moved == [False, True, False]


def test_the_state_comes_from_the_topics_of_the_node(monkeypatch: pytest.MonkeyPatch) -> None:
    loopback(monkeypatch)
    node, tree = DdsBus("personaplex"), DdsBus("tree")
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


def test_a_tree_without_a_source_says_what_it_needs():
    with pytest.raises(KeyError, match=r"setup\(node=\.\.\.\)"):
        ConversationToBlackboard().setup()
    with pytest.raises(RuntimeError, match="before the tree's setup"):
        ConversationToBlackboard().update()


def test_without_py_trees_the_remedy_is_named_and_the_rest_works():
    code = (
        "import sys; sys.modules['py_trees'] = None\n"
        "from personaplex_ros.behaviours import Engagement\n"
        "from personaplex_ros.simulation import PatrolNode\n"
        "for module in ('behaviours.tree', 'simulation.receptionist'):\n"
        "    try:\n        __import__(f'personaplex_ros.{module}')\n"
        "    except ImportError as error:\n        print(error)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.count("pip install py_trees") == 2
