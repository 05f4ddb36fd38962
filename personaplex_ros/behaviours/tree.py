"""Behaviours for py_trees; under py_trees_ros their tree is set up with `node=`.

The conversation's state is on the blackboard under `conversation`, put there once a tick by
ConversationToBlackboard, which has to come first. The others only read it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from personaplex_ros.behaviours.engagement import Engagement
from personaplex_ros.behaviours.state import ConversationState
from personaplex_ros.behaviours.topics import ConversationTopics

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
        if "node" not in kwargs:
            raise KeyError(
                f"{self.name}: set the tree up with setup(node=...) (py_trees_ros does), or make "
                "this behaviour with read="
            )
        from personaplex_ros.node.ros.bus import RosBus

        self._topics = ConversationTopics(RosBus(kwargs["node"]))
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

    It begins when it is first ticked, so put it behind WaitForUser, or it is over at once.
    silence_s: silence of both, in seconds, that ends it.
    """

    def __init__(self, name: str = "converse", silence_s: float = 6.0) -> None:
        super().__init__(name)
        self._silence_s = silence_s
        self._engagement = Engagement(silence_s)

    def initialise(self) -> None:
        """Begin anew."""
        self._engagement = Engagement(self._silence_s)

    def update(self) -> Status:
        """Follow who speaks."""
        return Status.RUNNING if self._engagement.update(self._state) else Status.SUCCESS


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
    silence_s: float = 6.0,
) -> py_trees.behaviour.Behaviour:
    """Return the root of a tree that does `work`, stops when spoken to, talks, and goes on.

    `work` is what moves, a patrol for instance: it is terminated (INVALID) when a person speaks and
    initialised again after the conversation has ended. read: as of ConversationToBlackboard.
    """
    sequence, selector = py_trees.composites.Sequence, py_trees.composites.Selector
    talk = sequence(
        "talk",
        memory=True,
        children=[_Speaks("is the person speaking"), Converse(silence_s=silence_s)],
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
