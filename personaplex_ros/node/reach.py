"""What the node does about a model that runs elsewhere, and may be out of reach."""

from __future__ import annotations

from personaplex_ros.conversing import AnySession
from personaplex_ros.node.hosts.bus import Bus
from personaplex_ros.node.parameters.table import Parameters
from personaplex_ros.node.parameters.tether import HOLD


class Reach:
    """Follows the link of a session, if it has one; for the model's thread."""

    def __init__(self, bus: Bus, session: AnySession) -> None:
        self._bus = bus
        self._link = session.link

    def tell(self) -> None:
        """Log what has happened to the link."""
        if self._link is not None:
            for level, text in self._link.news():
                self._bus.log(level, text)

    def hold(self, hold: bool, parameters: Parameters) -> bool:
        """Return whether motion pauses: `hold`, or while the model is lost what was chosen."""
        if self._link is None or not self._link.lost:
            return hold
        return parameters.tether_lost == HOLD
