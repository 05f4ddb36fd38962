"""Whose DDS the servers of a service run on, as far as the graph tells."""

from __future__ import annotations

from rclpy.node import Node
from rclpy.utilities import get_rmw_implementation_identifier

from personaplex_ros.node.hosts.vendors import refusal, services_cross, vendor_of, vendor_of_rmw
from personaplex_ros.node.requests.topic_names import topic_in_place


class Servers:
    """The servers of one service, or of one action by the service to which goals are sent."""

    def __init__(self, node: Node, name: str, below: str = "") -> None:
        """Know them by the service's name; `below` is what the action's service adds to its own."""
        self._node = node
        self._name = str(node.resolve_service_name(name))
        self._requests = f"rq{self._name}{below}Request"
        self._own = vendor_of_rmw(get_rmw_implementation_identifier())

    def obstacle(self) -> str:
        """Say why one that is there must not be called; empty where the middleware is no DDS."""
        if self._own is None:
            return ""
        for server in self._node.get_subscriptions_info_by_topic(self._requests, no_mangle=True):
            theirs = vendor_of(bytes(server.endpoint_gid))
            # A GUID that tells nothing may be one that a user has chosen.
            if theirs is not None and not services_cross(self._own, theirs):
                return refusal(self._name, self._own, theirs, topic_in_place(self._name))
        return ""
