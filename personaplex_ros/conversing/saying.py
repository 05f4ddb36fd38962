"""A sentence that a conversation is given to say, and how far it has come."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Saying:
    """``spoken`` of ``words`` have begun to be heard; ``ended`` also when it was cancelled."""

    words: tuple[str, ...]
    first_pieces: tuple[int, ...]  # at which piece each word begins
    pieces: int
    left_out: str = ""  # symbols of the text that have no words, as emoji
    heard: int = 0  # pieces that were heard
    lag: int = 0  # frames until the next token can be one of the script's
    cancelled: bool = False

    @property
    def spoken(self) -> int:
        """Words whose first piece was heard."""
        return sum(self.heard > first for first in self.first_pieces)

    @property
    def ended(self) -> bool:
        """Whether nothing more of it will come."""
        return self.cancelled or self.heard >= self.pieces

    def follow(self, silent: bool) -> None:
        """Take note of a frame that was heard, ``silent`` if it had no text."""
        if self.lag > 0:
            self.lag -= 1
        elif not silent and not self.ended:
            self.heard += 1
