"""The connection to a model that runs elsewhere, as the node sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

Level = Literal["info", "warn", "error"]
News = tuple[Level, str]
"""Something to be logged."""


@dataclass(frozen=True)
class LinkSnapshot:
    """What is known of a connection; times in seconds, None where nothing was measured yet.

    answer_s: from the end of a microphone's frame until the speech that answers it is here;
    waiting_s: how long that waits for its turn, so that all comes evenly; round_trip_s: of a ping.
    up_dropped_s: what was heard while the line stood still, and was not sent. down_missing_s: what
    stood in for speech that was late; down_dropped_s: speech that was too much to wait.
    shortened_s: pauses made shorter to bring the delay back. kept_silent_s: what was said there and
    not let out here. damaged: packets of sound, and messages, that could not be read.
    connections: how often a conversation was begun or taken up; resumed: those that went on.
    """

    address: str
    state: str
    lost: bool
    problem: str = ""
    answer_s: float | None = None
    waiting_s: float = 0.0
    round_trip_s: float | None = None
    connections: int = 0
    resumed: int = 0
    losses: int = 0
    up_dropped_s: float = 0.0
    ran_dry: int = 0
    down_missing_s: float = 0.0
    down_dropped_s: float = 0.0
    shortened_s: float = 0.0
    kept_silent_s: float = 0.0
    damaged: int = 0


class AnyLink(Protocol):
    """The connection of one conversation."""

    @property
    def lost(self) -> bool:
        """Whether the model is out of reach, for longer than is to be borne."""

    def news(self) -> list[News]:
        """Return what has happened since the last call, to be logged; never blocks."""

    def snapshot(self) -> LinkSnapshot:
        """Return what is known of it."""

    def expect_begun(self, timeout_s: float) -> None:
        """Wait until the conversation has begun; raises RuntimeError where the server refuses it.

        A server that cannot be reached, or has no room now, is no refusal: it is tried on.
        """
