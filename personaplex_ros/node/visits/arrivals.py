"""The topics that ask for a greeting: `greet`, and one that tells whether people are there."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from personaplex_ros.node.hosts.bus import RELIABLE, SENSOR, Bus
from personaplex_ros.node.parameters.definition import ParameterError
from personaplex_ros.node.parameters.table import Parameters


class Presence:
    """Tells arrivals: somebody is there after nobody was for `gone_s` seconds."""

    def __init__(self, gone_s: float) -> None:
        self._gone_s = gone_s
        self._here = False
        self._left_at: float | None = None

    def arrives(self, here: bool, now_s: float) -> bool:
        """Take whether somebody is there; return whether that is an arrival."""
        before, self._here = self._here, here
        if before and not here:
            self._left_at = now_s
        if before or not here:
            return False
        return self._left_at is None or now_s - self._left_at >= self._gone_s


class Arrivals:
    """Calls `greet` with the text to say, empty for the greeting of the parameters."""

    def __init__(self, bus: Bus, parameters: Parameters, greet: Callable[[str], None]) -> None:
        """Open the topics; raises ParameterError when a message type is not installed."""
        self._greet = greet
        self._presence = Presence(parameters.presence_gone_s)
        self._open = ExitStack()
        subscription = bus.subscribe("greet", "std_msgs/msg/String", RELIABLE, self._asked)
        self._open.callback(subscription.close)
        topic, kind = parameters.presence_topic, parameters.presence_type
        if topic:
            try:
                presence = bus.subscribe(topic, kind, SENSOR, self._seen)
            except LookupError as error:
                self._open.close()
                raise ParameterError(f"presence_type: {error}") from error
            self._open.callback(presence.close)

    def close(self) -> None:
        """Close the topics."""
        self._open.close()

    def _asked(self, message: Any, _: str) -> None:
        self._greet(message.data.strip())

    def _seen(self, message: Any, _: str) -> None:
        here = bool(message.ids) if hasattr(message, "ids") else bool(message.data)
        if self._presence.arrives(here, time.monotonic()):
            self._greet("")
