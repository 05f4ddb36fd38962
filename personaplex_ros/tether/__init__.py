"""A model that runs elsewhere, behind the protocol of the public Moshi and PersonaPlex servers."""

from personaplex_ros.tether.address import Address, read_address
from personaplex_ros.tether.engine import Tether, TetherEngine

__all__ = ["Address", "Tether", "TetherEngine", "read_address"]
