"""A patrol led by a behaviour tree: it also stands while it is spoken to, then goes on."""

from __future__ import annotations

from contextlib import ExitStack

import py_trees
from py_trees.common import Status

from personaplex_ros.behaviours import ConversationTopics
from personaplex_ros.behaviours.tree import receptionist
from personaplex_ros.node.bus import Bus
from personaplex_ros.node.messages import NS_PER_S
from personaplex_ros.simulation.nodes import PatrolNode

TICK_HZ = 10.0
SILENCE_S = 3.0
"""Silence of both that ends a conversation."""


class DriveRound(py_trees.behaviour.Behaviour):
    """Lets a patrol drive from initialise to terminate; RUNNING meanwhile."""

    def __init__(self, patrol: PatrolNode) -> None:
        super().__init__("drive round")
        self._patrol = patrol

    def initialise(self) -> None:
        """Go on."""
        self._patrol.stands = False

    def update(self) -> Status:
        """Drive."""
        return Status.RUNNING

    def terminate(self, new_status: Status) -> None:
        """Stand."""
        self._patrol.stands = True


class ReceptionistNode:
    """A patrol with its tree, ticked at TICK_HZ."""

    def __init__(self, bus: Bus, *, stamped: bool, silence_s: float = SILENCE_S) -> None:
        self._open = ExitStack()
        patrol = PatrolNode(bus, stamped=stamped)
        self._open.callback(patrol.close)
        patrol.stands = True
        topics = ConversationTopics(bus, clock=lambda: bus.now_ns() / NS_PER_S)
        self._open.callback(topics.close)
        work = DriveRound(patrol)
        tree = py_trees.trees.BehaviourTree(
            receptionist(work, read=topics.read, silence_s=silence_s)
        )
        tree.setup()
        self._open.callback(tree.shutdown)
        self._open.callback(bus.every(1.0 / TICK_HZ, tree.tick).close)

    def close(self) -> None:
        """Stop the tree and close the topics."""
        self._open.close()
