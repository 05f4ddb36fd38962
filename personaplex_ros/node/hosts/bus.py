"""What the node's behaviour asks of the middleware: topics, services, actions, timers, clock, log.

The behaviour knows only this protocol; a host supplies it over rclpy or over Cyclone DDS.
Names are ROS names as a user writes them ("audio_in", "~/reset", "/diagnostics"): the host
expands and remaps them. Type names are "package/msg/Name", "package/srv/Name" and
"package/action/Name".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

LogLevel = Literal["debug", "info", "warn", "error", "fatal"]
Outcome = Literal["succeeded", "canceled", "aborted"]
"""How a goal of an action ends, in ROS 2's words."""
Done = Callable[[Outcome | Literal["rejected"], Any], None]
"""Told at the client's end how a goal ended, and its result; None if it was rejected."""

Check = Callable[[Any], None]
"""Raises if a goal's request cannot be accepted, with the reason."""


def accept_all(request: Any) -> None:
    """Find nothing wrong with a goal."""


@dataclass(frozen=True)
class Qos:
    """Quality of service of a topic, always keep-last, named as ROS 2 names it."""

    reliable: bool
    transient_local: bool
    depth: int

    def __post_init__(self) -> None:
        if self.depth < 1:
            raise ValueError(f"Qos.depth is {self.depth}; it must be at least 1")


RELIABLE = Qos(reliable=True, transient_local=False, depth=10)
"""ROS 2's default profile."""
SENSOR = Qos(reliable=False, transient_local=False, depth=5)
"""ROS 2's sensor-data profile; as a subscription it matches every publisher."""
LATCHED = Qos(reliable=True, transient_local=True, depth=1)
"""State: whoever comes late still receives the last message."""


class Closable(Protocol):
    """Anything a bus hands out that can be taken back; closing twice is allowed."""

    def close(self) -> None:
        """Stop it and free what it holds."""


class Publisher(Closable, Protocol):
    """The sending end of a topic."""

    def publish(self, msg: Any) -> None:
        """Send one message; any thread may call it."""


class Client(Closable, Protocol):
    """The calling end of a service."""

    def ready(self) -> bool:
        """Tell whether a server is there now that can be called."""

    def obstacle(self) -> str:
        """Say why a server that is there must not be called; empty if nothing is known against it.

        Servers of another DDS vendor read requests as what they are not (`hosts.vendors`).
        """

    def call(self, request: Any, callback: Callable[[Any], None]) -> None:
        """Send a request and return at once; any thread may call it.

        ``callback(response)`` comes from a thread of the middleware when the server answers, which
        may be late or never: how long to wait is the caller's business. RuntimeError with the
        words of ``obstacle``, if there is one; then nothing was sent.
        """


class Goal(Protocol):
    """One goal of an action's server, which has accepted it and not ended it yet."""

    @property
    def request(self) -> Any:
        """What was asked for: a message of the type's Goal."""

    @property
    def cancel_requested(self) -> bool:
        """Whether the client wants it to be ended as "canceled"."""

    def feedback(self, message: Any) -> None:
        """Send a message of the type's Feedback; any thread may call it."""

    def end(self, outcome: Outcome, result: Any) -> None:
        """End it with a message of the type's Result; any thread, once, later calls do nothing.

        "canceled" only after ``cancel_requested``.
        """


class SentGoal(Protocol):
    """One goal at the client's end."""

    def cancel(self) -> None:
        """Ask the server to cancel it; how it ends comes as always."""


class ActionClient(Closable, Protocol):
    """The calling end of an action."""

    def ready(self) -> bool:
        """Tell whether a server is there now that can be called."""

    def obstacle(self) -> str:
        """Say why a server that is there must not be called, as of `Client`."""

    def send(self, goal: Any, feedback: Callable[[Any], None], done: Done) -> SentGoal:
        """Send a goal and return at once; the functions are called by the middleware's threads.

        ``done`` comes once, or never when the server has gone. RuntimeError as of `Client`.
        """


Subscription = Closable
Service = Closable
Timer = Closable


class Bus(Protocol):
    """One node's connection to the graph.

    Callbacks of topics and timers move data and return. Service handlers may take their time:
    they run one at a time on a thread of their own. An exception in a callback is logged and does
    not stop the others; a service answers then with what its response holds by default.
    """

    @property
    def node_name(self) -> str:
        """The node's full name after remapping: "/robot1/personaplex"."""

    def topic_name(self, topic: str) -> str:
        """Return a topic's full name after remapping: "/robot1/audio_in"."""

    def namesakes(self) -> int:
        """Return how many other nodes of this full name the graph has, as far as is known."""

    def now_ns(self) -> int:
        """Return the node's time in nanoseconds since the epoch (simulated if so configured)."""

    def message(self, type_name: str) -> type:
        """Return the class of a message.

        Of a service one with members Request and Response, of an action with Goal, Result and
        Feedback. ``cls()`` gives ROS defaults, nested messages are attributes. Raises LookupError,
        naming the type and the remedy, when its definition is not installed.
        """

    def advertise(self, topic: str, type_name: str, qos: Qos) -> Publisher:
        """Open a topic for sending."""

    def subscribe(
        self, topic: str, type_name: str, qos: Qos, callback: Callable[[Any, str], None]
    ) -> Subscription:
        """Call ``callback(msg, publisher_id)`` for every message.

        The id differs by publisher; it is empty where the middleware does not tell.
        """

    def serve(
        self,
        name: str,
        type_name: str,
        handler: Callable[[Any, Any], Any],
        slow: bool = False,
    ) -> Service:
        """Answer requests with ``handler(request, response) -> response``.

        Handlers of slow ones run one at a time, too, and hold up no other service.
        """

    def client(self, name: str, type_name: str) -> Client:
        """Open the calling end of a service."""

    def serve_action(
        self, name: str, type_name: str, begin: Callable[[Goal], None], check: Check = accept_all
    ) -> Service:
        """Accept goals and call ``begin(goal)`` for each, one at a time.

        A goal is rejected for which ``check`` raises; the text of what it raises is logged, for the
        protocol of actions has no place for it. Whoever took a goal ends it; one that is not ended
        when the server is closed is aborted.
        """

    def action_client(self, name: str, type_name: str) -> ActionClient:
        """Open the calling end of an action."""

    def every(self, period_s: float, callback: Callable[[], None]) -> Timer:
        """Call ``callback()`` periodically."""

    def log(self, level: LogLevel, text: str) -> None:
        """Write one line to the node's log."""
