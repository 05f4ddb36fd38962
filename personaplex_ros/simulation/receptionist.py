"""A patrol led by a behaviour tree: it also stands while it is spoken to, then goes on."""

from __future__ import annotations

from contextlib import ExitStack

from personaplex_ros.behaviours import ConversationTopics
from personaplex_ros.behaviours.tree import SwitchOn, receptionist
from personaplex_ros.node.hosts.bus import Bus
from personaplex_ros.node.hosts.messages import NS_PER_S
from personaplex_ros.simulation.nodes import PatrolNode

TICK_HZ = 10.0


class ReceptionistNode:
    """A patrol with its tree, ticked at TICK_HZ."""

    def __init__(self, bus: Bus, *, stamped: bool) -> None:
        self._open = ExitStack()
        patrol = PatrolNode(bus, stamped=stamped)
        self._open.callback(patrol.close)

        def drive(on: bool) -> None:
            patrol.stands = not on

        drive(False)
        topics = ConversationTopics(bus, clock=lambda: bus.now_ns() / NS_PER_S)
        self._open.callback(topics.close)
        tree = receptionist(SwitchOn("patrol", drive), read=topics.read)
        tree.setup_with_descendants()
        self._open.callback(bus.every(1.0 / TICK_HZ, tree.tick_once).close)

    def close(self) -> None:
        """Stop the tree and close the topics."""
        self._open.close()
