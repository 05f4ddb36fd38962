"""What a middleware without ROS has to offer: ends of topics and services by absolute names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from personaplex_ros.node.bare.executor import Threads
from personaplex_ros.node.bare.types import MessageTypes, ServiceTypes
from personaplex_ros.node.hosts.bus import Client, Closable, Publisher, Qos

Respond = Callable[[Any], None]
"""Answers one request, later and from any thread if need be; once, and not after the end."""
Handler = Callable[[Any, Respond], None]
"""Takes a request; runs on an executor's thread."""


class CountingPublisher(Publisher, Protocol):
    """A topic's sending end that sees who listens."""

    def subscribers(self) -> int:
        """Return how many subscriptions of others the graph has for it now."""


class CountingSubscription(Closable, Protocol):
    """A topic's receiving end that sees who sends."""

    def publishers(self) -> int:
        """Return how many publishers of others the graph has for it now."""


class Endpoints(Protocol):
    """Opens endpoints; callbacks of topics and replies come on the thread of topics and timers."""

    @property
    def types(self) -> MessageTypes:
        """The classes of messages."""

    def publisher(self, name: str, message: type[Any], qos: Qos) -> CountingPublisher:
        """Open a topic for sending."""

    def subscription(
        self, name: str, message: type[Any], qos: Qos, callback: Callable[[Any, str], None]
    ) -> CountingSubscription:
        """Call ``callback(msg, publisher_id)`` for every message of a topic."""

    def service(
        self, name: str, types: ServiceTypes, handler: Handler, threads: Threads
    ) -> Closable:
        """Answer a service."""

    def client(self, name: str, types: ServiceTypes) -> Client:
        """Open the calling end of a service."""
