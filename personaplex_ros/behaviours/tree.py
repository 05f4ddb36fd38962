"""Behaviours for py_trees; under py_trees_ros their tree is set up with `node=`.

The conversation's state is on the blackboard under `conversation`, put there once a tick by
ConversationToBlackboard, which has to come first. The others only read it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from personaplex_ros.behaviours.speech import Speech
from personaplex_ros.behaviours.spoken import Spoken
from personaplex_ros.behaviours.state import ConversationState
from personaplex_ros.behaviours.topics import ConversationTopics
from personaplex_ros.node.hosts.bus import Bus

try:
    import py_trees
    from py_trees.common import Access, ParallelPolicy, Status
except ImportError as error:
    raise ImportError(
        f"the behaviours need py_trees ({error}): pip install py_trees, or with ROS 2 "
        "apt install ros-$ROS_DISTRO-py-trees ros-$ROS_DISTRO-py-trees-ros"
    ) from error

KEY = "conversation"


class ConversationToBlackboard(py_trees.behaviour.Behaviour):
    """Writes the state to the blackboard; always SUCCESS.

    read: where the state comes from. Without it, setup(node=...) subscribes with that rclpy node,
    as py_trees_ros passes it.
    """

    def __init__(
        self,
        name: str = "conversation to blackboard",
        read: Callable[[], ConversationState] | None = None,
    ) -> None:
        super().__init__(name)
        self._read = read
        self._topics: ConversationTopics | None = None
        self._board = self.attach_blackboard_client(name)
        self._board.register_key(KEY, Access.WRITE)

    def setup(self, **kwargs: Any) -> None:
        """Subscribe unless a reader was given; KeyError when there is neither it nor a node."""
        if self._read is not None:
            return
        self._topics = ConversationTopics(_bus(self.name, kwargs, "read="))
        self._read = self._topics.read

    def update(self) -> Status:
        """Write the state of this tick."""
        if self._read is None:
            raise RuntimeError(f"{self.name} was ticked before the tree's setup()")
        self._board.set(KEY, self._read())
        return Status.SUCCESS

    def shutdown(self) -> None:
        """Close the subscriptions."""
        if self._topics is not None:
            self._topics.close()


class _Reader(py_trees.behaviour.Behaviour):
    """What reads the state."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._board = self.attach_blackboard_client(name)
        self._board.register_key(KEY, Access.READ)

    @property
    def _state(self) -> ConversationState:
        return self._board.get(KEY)


class WaitForUser(_Reader):
    """RUNNING until the person speaks, then SUCCESS."""

    def __init__(self, name: str = "wait for the person") -> None:
        super().__init__(name)

    def update(self) -> Status:
        """Look whether the person speaks."""
        state = self._state
        return Status.SUCCESS if state.known and state.user_speaking else Status.RUNNING


class HoldWhileInterrupted(_Reader):
    """RUNNING while motion must pause, SUCCESS otherwise: what comes after it in a sequence moves.

    The sequence must have no memory (memory=False), so that it is asked at every tick and what
    moves is stopped (terminated as INVALID) when it runs. It also runs while the node is silent.
    """

    def __init__(self, name: str = "hold while interrupted") -> None:
        super().__init__(name)

    def update(self) -> Status:
        """Look at motion_hold."""
        return Status.RUNNING if self._state.must_hold else Status.SUCCESS


class Converse(_Reader):
    """RUNNING while person and robot are engaged, SUCCESS when they no longer are.

    What counts as engaged the node decides (`engagement_min_speech_s`, `engagement_end_s`); before
    it has, the person's speech counts. Put it behind WaitForUser, or it is over at once.
    """

    def __init__(self, name: str = "converse") -> None:
        super().__init__(name)

    def update(self) -> Status:
        """Look whether they converse; with a node that is gone nobody does."""
        state = self._state
        busy = state.known and (state.engaged or state.user_speaking)
        return Status.RUNNING if busy else Status.SUCCESS


class Say(py_trees.behaviour.Behaviour):
    """Speaks a sentence: RUNNING while it is said, SUCCESS after it, FAILURE when it was not.

    When it is stopped (terminated as INVALID), the robot falls silent. FAILURE also when the node
    is not there; feedback_message says why. speech: how to speak; without it, setup(node=...) uses
    that rclpy node, as py_trees_ros passes it.
    """

    def __init__(self, text: str, name: str = "say", speech: Speech | None = None) -> None:
        super().__init__(name)
        self.text = text
        self._speech = speech
        self._own: Speech | None = None
        self._spoken: Spoken | None = None

    def setup(self, **kwargs: Any) -> None:
        """Find the node's action; KeyError when there is neither `speech` nor a node."""
        if self._speech is None:
            self._own = self._speech = Speech(_bus(self.name, kwargs, "speech="))

    def initialise(self) -> None:
        """Begin to speak."""
        if self._speech is None:
            raise RuntimeError(f"{self.name} was ticked before the tree's setup()")
        self._spoken = self._speech.say(self.text)

    def update(self) -> Status:
        """Look how far it is."""
        spoken = self._spoken
        assert spoken is not None
        self.feedback_message = spoken.message or " ".join(spoken.words)
        return {None: Status.RUNNING, True: Status.SUCCESS, False: Status.FAILURE}[spoken.success]

    def terminate(self, new_status: Status) -> None:
        """Fall silent if the sentence goes on."""
        if new_status == Status.INVALID and self._spoken is not None:
            self._spoken.cancel()

    def shutdown(self) -> None:
        """Close the action's client."""
        if self._own is not None:
            self._own.close()


class SwitchOn(py_trees.behaviour.Behaviour):
    """Keeps something on: `switch(True)` when it begins, `switch(False)` when it is stopped.

    RUNNING until then; for what moves by itself, such as a patrol in a node of its own.
    """

    def __init__(self, name: str, switch: Callable[[bool], None]) -> None:
        super().__init__(name)
        self._switch = switch

    def initialise(self) -> None:
        """Switch on."""
        self._switch(True)

    def update(self) -> Status:
        """Leave it on."""
        return Status.RUNNING

    def terminate(self, new_status: Status) -> None:
        """Switch off."""
        self._switch(False)


def receptionist(
    work: py_trees.behaviour.Behaviour,
    *,
    read: Callable[[], ConversationState] | None = None,
) -> py_trees.behaviour.Behaviour:
    """Return the root of a tree that does `work`, stops when spoken to, talks, and goes on.

    `work` is what moves, a patrol for instance: it is terminated (INVALID) when a person speaks and
    initialised again after the conversation has ended. read: as of ConversationToBlackboard.
    """
    sequence, selector = py_trees.composites.Sequence, py_trees.composites.Selector
    talk = sequence(
        "talk",
        memory=True,
        children=[_Speaks("is the person speaking"), Converse()],
    )
    move = sequence("move", memory=False, children=[HoldWhileInterrupted(), work])
    return py_trees.composites.Parallel(
        "receptionist",
        policy=ParallelPolicy.SuccessOnAll(synchronise=False),
        children=[
            ConversationToBlackboard(read=read),
            selector("talk or move", memory=False, children=[talk, move]),
        ],
    )


class _Speaks(_Reader):
    """SUCCESS when the person speaks, FAILURE otherwise."""

    def update(self) -> Status:
        state = self._state
        return Status.SUCCESS if state.known and state.user_speaking else Status.FAILURE


def _bus(behaviour: str, kwargs: dict[str, Any], instead: str) -> Bus:
    """Return a bus on the rclpy node with which a tree is set up."""
    if "node" not in kwargs:
        raise KeyError(
            f"{behaviour}: set the tree up with setup(node=...) (py_trees_ros does), or make "
            f"this behaviour with {instead}"
        )
    from personaplex_ros.node.ros.bus import RosBus

    return RosBus(kwargs["node"])
