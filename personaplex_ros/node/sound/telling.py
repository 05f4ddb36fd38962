"""Logs that a microphone or a loudspeaker is gone, and that it is back."""

from __future__ import annotations

from collections.abc import Callable

from personaplex_ros.node.hosts.bus import Bus


def telling(bus: Bus, kind: str) -> Callable[[str], None]:
    """Return what is to be told the problem of a `kind`, empty when it is over."""

    def tell(problem: str) -> None:
        if problem:
            bus.log("error", problem)
        else:
            bus.log("info", f"the {kind} is back")

    return tell
