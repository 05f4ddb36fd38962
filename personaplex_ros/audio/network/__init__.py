"""Sound that came over a network: order, lateness and losses."""

from .joining import Piece, StreamJoiner

__all__ = ["Piece", "StreamJoiner"]
