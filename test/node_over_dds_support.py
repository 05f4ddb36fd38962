"""The node with the fake model over DDS, and another DDS node that listens to it."""

# ruff: noqa: D102

from __future__ import annotations

from node_support import FakeEngine

from personaplex_ros.node.conversation import Conversation
from personaplex_ros.node.dds.bus import DdsBus
from personaplex_ros.node.parameters.table import Parameters


class NodeOverDds:
    """An active node, and `peer`; loopback and domain are the caller's."""

    def __init__(self) -> None:
        self.bus, self.peer = DdsBus("personaplex"), DdsBus("robot")
        values = {"late_audio_timeout_s": 0.1, "echo_cancellation": "off"}
        engine = FakeEngine()
        self.conversation = Conversation(
            self.bus,
            Parameters.of(values),
            lambda parameters: engine,  # type: ignore
        )
        self.listen()
        self.conversation.configure()
        self.conversation.activate()

    def listen(self) -> None:
        """Let the peer subscribe before the node speaks."""

    def close(self) -> None:
        self.conversation.shutdown()
        self.bus.close()
        self.peer.close()
