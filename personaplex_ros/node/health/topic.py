"""The topic /diagnostics."""

from __future__ import annotations

from collections.abc import Callable

from personaplex_ros.node.hosts.bus import RELIABLE, Bus
from personaplex_ros.node.hosts.messages import DiagnosticsFactory, Status

Told = tuple[str, list[Status]]
"""The device that is used, empty if there is none, and what is to be told."""


class DiagnosticsTopic:
    """Publishes a DiagnosticArray of what `look` returns, every `period_s` seconds."""

    def __init__(self, bus: Bus, period_s: float, look: Callable[[], Told]) -> None:
        self._bus = bus
        self._look = look
        self._factory = DiagnosticsFactory(bus)
        self._publisher = bus.advertise(
            "/diagnostics", "diagnostic_msgs/msg/DiagnosticArray", RELIABLE
        )
        self._timer = bus.every(period_s, self._publish)

    def close(self) -> None:
        """Stop."""
        self._timer.close()
        self._publisher.close()

    def _publish(self) -> None:
        device, statuses = self._look()
        self._publisher.publish(self._factory.array(self._bus.now_ns(), device, statuses))
