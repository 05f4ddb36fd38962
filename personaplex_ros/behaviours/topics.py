"""The state of the conversation from its topics, over either host."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from personaplex_ros.behaviours.state import ConversationState
from personaplex_ros.node.hosts.bus import LATCHED, Bus
from personaplex_ros.node.state_topics import TOPICS


class ConversationTopics:
    """Subscribes to the state topics of the node (``TOPICS``), relative to the bus's node."""

    def __init__(self, bus: Bus, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._state = ConversationState(clock())
        self._open = ExitStack()
        for topic, field in TOPICS.items():
            subscription = bus.subscribe(topic, "std_msgs/msg/Bool", LATCHED, self._take(field))
            self._open.callback(subscription.close)

    def read(self) -> ConversationState:
        """Return the state as of now; any thread."""
        with self._lock:
            return replace(self._state, now_s=self._clock())

    def close(self) -> None:
        """Close the subscriptions."""
        self._open.close()

    def _take(self, field: str) -> Callable[[Any, str], None]:
        def take(message: Any, _: str) -> None:
            with self._lock:
                changes: dict[str, Any] = {field: bool(message.data)}
                if field == "hold":  # the one that must not be old
                    changes["heard_s"] = self._clock()
                self._state = replace(self._state, **changes)

        return take
