"""What the nodes of sound cards tell on /diagnostics."""

from __future__ import annotations

from collections.abc import Callable

from personaplex_ros.node.health.namesakes import Namesakes
from personaplex_ros.node.hosts.bus import RELIABLE, Bus
from personaplex_ros.node.hosts.messages import OK, WARN, DiagnosticsFactory, Status


class DeviceHealth:
    """Publishes a DiagnosticArray periodically: the statuses, and whether the name is unique."""

    def __init__(self, bus: Bus, period_s: float, statuses: Callable[[], list[Status]]) -> None:
        self._bus = bus
        self._statuses = statuses
        self._namesakes = Namesakes(bus)
        self._factory = DiagnosticsFactory(bus)
        self._publisher = bus.advertise(
            "/diagnostics", "diagnostic_msgs/msg/DiagnosticArray", RELIABLE
        )
        self._timer = bus.every(period_s, self._publish)

    def close(self) -> None:
        """Stop."""
        self._timer.close()
        self._namesakes.close()
        self._publisher.close()

    def _publish(self) -> None:
        problem = self._namesakes.problem
        node = Status("node", WARN if problem else OK, problem or "runs")
        self._publisher.publish(
            self._factory.array(self._bus.now_ns(), "", [node, *self._statuses()])
        )
