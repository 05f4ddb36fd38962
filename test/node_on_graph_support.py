"""The node with the fake model on a graph, and another node there that listens to it."""

# ruff: noqa: D102

from __future__ import annotations

from node_support import FakeEngine

from personaplex_ros.node.bare.middleware import open_bus
from personaplex_ros.node.bare.parameter_services import ParameterServices
from personaplex_ros.node.conversation import Conversation
from personaplex_ros.node.lifecycle import Lifecycle
from personaplex_ros.node.parameters.table import Parameters


class NodeOnGraph:
    """An active node, and `peer`; which graph is the caller's business."""

    def __init__(self) -> None:
        self.bus, self.peer = open_bus("personaplex"), open_bus("robot")
        values = {"late_audio_timeout_s": 0.1, "echo_cancellation": "off"}
        self.engine = engine = FakeEngine()
        self.conversation = Conversation(
            self.bus,
            Parameters.of(values),
            lambda parameters: engine,  # type: ignore
        )
        self.lifecycle = Lifecycle(self.bus, self.conversation)
        ParameterServices(self.bus, self.conversation)
        self.listen()
        self.lifecycle.change("configure")
        self.lifecycle.change("activate")

    def listen(self) -> None:
        """Let the peer subscribe before the node speaks."""

    def close(self) -> None:
        self.conversation.shutdown()
        self.bus.close()
        self.peer.close()
