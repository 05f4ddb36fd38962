"""The bus over rclpy."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from rclpy.callback_groups import CallbackGroup, MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from personaplex_ros.node.hosts.bus import Check, Goal, LogLevel, Qos, accept_all
from personaplex_ros.node.hosts.serving import accepting, answering
from personaplex_ros.node.ros.action import RosActionClient, RosActionServer
from personaplex_ros.node.ros.servers import Servers

_Guard = Callable[[Callable[..., None], str], Callable[..., None]]


class _Handle:
    """Something the node made, which it must also destroy."""

    def __init__(self, entity: Any, destroy: Callable[[Any], Any]) -> None:
        self.entity = entity
        self._destroy: Callable[[Any], Any] | None = destroy

    def close(self) -> None:
        """Destroy it; a second call does nothing."""
        if self._destroy is not None:
            self._destroy(self.entity)
            self._destroy = None


class _Publisher(_Handle):
    def publish(self, msg: Any) -> None:
        """Send one message; after close() it is dropped."""
        if self._destroy is not None:
            self.entity.publish(msg)


class _Client(_Handle):
    def __init__(self, node: Node, name: str, entity: Any, guarded: _Guard) -> None:
        super().__init__(entity, node.destroy_client)
        self._servers = Servers(node, name)
        self._guarded = guarded

    def ready(self) -> bool:
        """Tell whether a server is there now that can be called."""
        there = self._destroy is not None and bool(self.entity.service_is_ready())
        return there and not self._servers.obstacle()

    def obstacle(self) -> str:
        """Say why a server that is there must not be called."""
        return self._servers.obstacle()

    def call(self, request: Any, callback: Callable[[Any], None]) -> None:
        """Send a request; the executor calls back with the response.

        RuntimeError if a server of another vendor would get it.
        """
        if self._destroy is not None:
            if obstacle := self._servers.obstacle():
                raise RuntimeError(obstacle)
            take = self._guarded(lambda future: callback(future.result()), self.entity.srv_name)
            self.entity.call_async(request).add_done_callback(take)


class RosBus:
    """Topics, services, each slow service, each action and each timer have groups of their own.

    So with a multi-threaded executor a slow service or transition holds up neither audio nor
    timers. Timers run on the steady clock: a paused simulation must not silence motion_hold.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._topics: CallbackGroup = MutuallyExclusiveCallbackGroup()
        self._services: CallbackGroup = MutuallyExclusiveCallbackGroup()
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)

    @property
    def node_name(self) -> str:
        """Return the node's full name after remapping."""
        return str(self._node.get_fully_qualified_name())

    def topic_name(self, topic: str) -> str:
        """Return a topic's full name after remapping."""
        return str(self._node.resolve_topic_name(topic))

    def namesakes(self) -> int:
        """Return how many other nodes of this full name the graph has."""
        own = (self._node.get_name(), self._node.get_namespace())
        return max(0, self._node.get_node_names_and_namespaces().count(own) - 1)

    def now_ns(self) -> int:
        """Return the node's time, simulated when use_sim_time is set."""
        return int(self._node.get_clock().now().nanoseconds)

    def message(self, type_name: str) -> type:
        """Return the class; raises LookupError when its package is not in the environment."""
        package, kind, name = type_name.split("/")
        try:
            return getattr(importlib.import_module(f"{package}.{kind}"), name)
        except (ImportError, AttributeError) as error:
            raise LookupError(
                f"the definition of {type_name} was not found ({error}); install or build "
                f"{package} and source its setup file"
            ) from error

    def advertise(self, topic: str, type_name: str, qos: Qos) -> _Publisher:
        """Open a topic for sending."""
        publisher = self._node.create_publisher(self.message(type_name), topic, _profile(qos))
        return _Publisher(publisher, self._node.destroy_publisher)

    def subscribe(
        self, topic: str, type_name: str, qos: Qos, callback: Callable[[Any, str], None]
    ) -> _Handle:
        """Call `callback(msg, "")`: rclpy does not tell who published."""
        subscription = self._node.create_subscription(
            self.message(type_name),
            topic,
            self._guarded(lambda msg: callback(msg, ""), topic),
            _profile(qos),
            callback_group=self._topics,
        )
        return _Handle(subscription, self._node.destroy_subscription)

    def serve(
        self,
        name: str,
        type_name: str,
        handler: Callable[[Any, Any], Any],
        slow: bool = False,
    ) -> _Handle:
        """Answer requests, one at a time, beside topics and timers."""
        service = self._node.create_service(
            self.message(type_name),
            name,
            answering(handler, name, self.log),
            callback_group=MutuallyExclusiveCallbackGroup() if slow else self._services,
        )
        return _Handle(service, self._node.destroy_service)

    def client(self, name: str, type_name: str) -> _Client:
        """Open the calling end of a service; replies come between the topics."""
        client = self._node.create_client(
            self.message(type_name), name, callback_group=self._topics
        )
        return _Client(self._node, name, client, self._guarded)

    def serve_action(
        self, name: str, type_name: str, begin: Callable[[Goal], None], check: Check = accept_all
    ) -> RosActionServer:
        """Call `begin` for each goal that passes, beside services: a slow one delays no goal."""
        group = MutuallyExclusiveCallbackGroup()
        accepts = accepting(check, name, self.log)
        return RosActionServer(self._node, self.message(type_name), name, begin, accepts, group)

    def action_client(self, name: str, type_name: str) -> RosActionClient:
        """Open the calling end of an action; answers come between the topics."""
        return RosActionClient(self._node, self.message(type_name), name, self._topics)

    def every(self, period_s: float, callback: Callable[[], None]) -> _Handle:
        """Call `callback` every `period_s` of wall time."""
        timer = self._node.create_timer(
            period_s,
            self._guarded(callback, "a timer"),
            callback_group=MutuallyExclusiveCallbackGroup(),
            clock=self._steady,
        )
        return _Handle(timer, self._node.destroy_timer)

    def log(self, level: LogLevel, text: str) -> None:
        """Write one line to the node's log."""
        logger = self._node.get_logger()
        # rclpy ties a severity to a source line: each needs its own.
        if level == "debug":
            logger.debug(text)
        elif level == "info":
            logger.info(text)
        elif level == "warn":
            logger.warning(text)
        elif level == "error":
            logger.error(text)
        else:
            logger.fatal(text)

    def _guarded(self, callback: Callable[..., None], what: str) -> Callable[..., None]:
        """Keep an exception in one callback from ending the executor."""

        def guarded(*arguments: Any) -> None:
            try:
                callback(*arguments)
            except Exception as error:
                self.log("error", f"the callback of {what} failed: {error!r}")

        return guarded


def _profile(qos: Qos) -> QoSProfile:
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=qos.depth,
        reliability=(ReliabilityPolicy.RELIABLE if qos.reliable else ReliabilityPolicy.BEST_EFFORT),
        durability=(
            DurabilityPolicy.TRANSIENT_LOCAL if qos.transient_local else DurabilityPolicy.VOLATILE
        ),
    )
