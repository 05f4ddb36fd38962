"""What the nodes of sound cards tell on /diagnostics."""

from __future__ import annotations

from collections.abc import Callable

from personaplex_ros.node.health.namesakes import Namesakes
from personaplex_ros.node.health.topic import DiagnosticsTopic, Told
from personaplex_ros.node.hosts.bus import Bus
from personaplex_ros.node.hosts.messages import OK, WARN, Status


class DeviceHealth:
    """Publishes a DiagnosticArray periodically: the statuses, and whether the name is unique."""

    def __init__(self, bus: Bus, period_s: float, statuses: Callable[[], list[Status]]) -> None:
        self._statuses = statuses
        self._namesakes = Namesakes(bus)
        self._topic = DiagnosticsTopic(bus, period_s, self._look)

    def close(self) -> None:
        """Stop."""
        self._topic.close()
        self._namesakes.close()

    def _look(self) -> Told:
        problem = self._namesakes.problem
        node = Status("node", WARN if problem else OK, problem or "runs")
        return "", [node, *self._statuses()]
