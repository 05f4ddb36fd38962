"""Noticing another node of the same name, which answers the same services."""

from __future__ import annotations

from personaplex_ros.node.hosts.bus import Bus

PERIOD_S = 2.0


class Namesakes:
    """Looks at the graph now and then, and tells the log when a namesake comes or goes."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._count = 0
        self._timer = bus.every(PERIOD_S, self._look)

    @property
    def problem(self) -> str:
        """What is wrong, with the remedy; empty if the name is this node's alone."""
        if not self._count:
            return ""
        return (
            f"another node is named {self._bus.node_name}: both answer its services and hear its "
            "topics; give one of them another namespace (namespace:=NAME of the launch file, or "
            "-r __ns:=/NAME) or name (-r __node:=NAME)"
        )

    def close(self) -> None:
        """Stop."""
        self._timer.close()

    def _look(self) -> None:
        before, self._count = self._count, self._bus.namesakes()
        if self._count > before:
            # A node that died without a word stays in the graph for some seconds.
            self._bus.log("warn", f"{self.problem}; if one has just died, wait ten seconds")
        elif before and not self._count:
            self._bus.log("info", f"no other node is named {self._bus.node_name} any more")
