"""The node's bus over Cyclone DDS: wire-compatible with ROS 2, without ROS on the machine."""

from __future__ import annotations

import os

from personaplex_ros.node.bare.bus import BareBus
from personaplex_ros.node.bare.executor import Executors
from personaplex_ros.node.bare.types import MessageTypes, standard_types
from personaplex_ros.node.dds.definitions import DdsDefinitions
from personaplex_ros.node.dds.domain import domain_settings
from personaplex_ros.node.dds.endpoints import DdsEndpoints
from personaplex_ros.node.dds.executor import DdsExecutor
from personaplex_ros.node.dds.mismatches import Mismatches
from personaplex_ros.node.dds.participant import Participant
from personaplex_ros.node.hosts.names import RosArguments


class DdsBus(BareBus):
    """One node of one participant.

    The environment's ROS_DOMAIN_ID, ROS_AUTOMATIC_DISCOVERY_RANGE, ROS_LOCALHOST_ONLY,
    ROS_STATIC_PEERS, ROS_DISTRO and CYCLONEDDS_URI are obeyed. ValueError for a bad name or
    variable.
    """

    def __init__(
        self, name: str, namespace: str = "/", arguments: RosArguments | None = None
    ) -> None:
        super().__init__(name, namespace, arguments)
        types = MessageTypes(standard_types(os.environ), DdsDefinitions)
        settings = domain_settings(os.environ, os.getpid())
        participant = Participant(self.node, self.arguments.enclave, settings, types)
        self._participant = participant
        self.executors = Executors(lambda: DdsExecutor(participant.entity, self.log))
        self.endpoints = DdsEndpoints(participant, types, self.executors, self.log)
        graph = self.executors.services
        graph.read("the graph", participant.info_reader, participant.take_info)
        self._mismatches = Mismatches(participant, graph, self.log)

    def namesakes(self) -> int:
        """Return how many other nodes of this full name the graph has."""
        return self._participant.namesakes()

    def leave(self) -> None:
        """Take the node out of the graph at once."""
        self._mismatches.close()
        self._participant.close()
