"""What a microphone and a loudspeaker have in common: a card that is kept from start to stop."""

from __future__ import annotations

from .card import Card
from .keeper import KEEPER


class CardUse:
    """One direction of a card; raises AudioDeviceError if it cannot be opened."""

    def __init__(self, card: Card) -> None:
        self._card = card
        KEEPER.check(card)

    @property
    def name(self) -> str:
        """The card's name."""
        return self._card.name

    @property
    def problem(self) -> str:
        """Why there is no sound; empty while the card works."""
        return self._card.problem

    def start(self) -> None:
        """Begin; a card that has gone since is opened when it is back."""
        KEEPER.keep(self._card)

    def stop(self) -> None:
        """End, and free the card."""
        KEEPER.release(self._card)
