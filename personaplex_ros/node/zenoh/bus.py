"""The node's bus over Zenoh: one node of a graph of rmw_zenoh's, without ROS on the machine."""

from __future__ import annotations

import json
import os
from functools import cache

import zenoh

from personaplex_ros.node.bare.bus import BareBus
from personaplex_ros.node.bare.executor import Executors
from personaplex_ros.node.bare.types import MessageTypes, is_humble, standard_types
from personaplex_ros.node.hosts.environment import ZENOH_OVERRIDE, domain_id, refuse_security
from personaplex_ros.node.hosts.names import RosArguments
from personaplex_ros.node.zenoh.configuration import session_configuration
from personaplex_ros.node.zenoh.endpoints import ZenohEndpoints
from personaplex_ros.node.zenoh.executor import ZenohExecutor
from personaplex_ros.node.zenoh.graph import Graph


class ZenohBus(BareBus):
    """One node in a session of its own.

    The environment's ROS_DOMAIN_ID, ROS_DISTRO, ZENOH_SESSION_CONFIG_URI and ZENOH_CONFIG_OVERRIDE
    are obeyed. ValueError for a bad name or variable, OSError where no session can be opened.
    """

    def __init__(
        self, name: str, namespace: str = "/", arguments: RosArguments | None = None
    ) -> None:
        super().__init__(name, namespace, arguments)
        refuse_security(os.environ, "this host reads no keystore of ROS 2's")
        domain, configuration = domain_id(os.environ), session_configuration(os.environ)
        types = MessageTypes(standard_types(os.environ))
        _log_as_environment_says()
        try:
            self._session = zenoh.open(configuration)
        except zenoh.ZError as error:
            words = str(error).splitlines()[0]
            raise OSError(
                f"no Zenoh session can be opened: {words}; see {ZENOH_OVERRIDE}"
            ) from error
        graph = Graph(self._session, domain, self.node, self.arguments.enclave, self.log)
        self._graph = graph
        self.executors = Executors(lambda: ZenohExecutor(self.log))
        self.endpoints = ZenohEndpoints(
            graph, types, self.executors, self.log, not is_humble(os.environ)
        )
        info, seeks = self._session.info, json.loads(configuration.get_json("connect/endpoints"))
        if seeks and not (info.routers_zid() or info.peers_zid()):
            self.log(
                "warn",
                "no Zenoh router and no other peer found yet; start a router (ros2 run "
                "rmw_zenoh_cpp rmw_zenohd), or let peers find each other: "
                f"{ZENOH_OVERRIDE}='scouting/multicast/enabled=true' for all of them",
            )

    def namesakes(self) -> int:
        """Return how many other nodes of this full name the graph has."""
        return self._graph.namesakes()

    def leave(self) -> None:
        """Take the node out of the graph at once."""
        self._graph.close()
        self._session.close()


@cache
def _log_as_environment_says() -> None:
    """Let RUST_LOG choose what Zenoh itself logs, once a process; errors otherwise."""
    zenoh.init_log_from_env_or("error")
