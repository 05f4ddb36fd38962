"""Sound cards as microphone and loudspeaker of a node: opened, looked after, told of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

import numpy as np
import numpy.typing as npt

from personaplex_ros.audio import AudioChunk
from personaplex_ros.audio.devices import (
    OnPlayed,
    SoundCardSink,
    SoundCardSource,
    parse_device,
)
from personaplex_ros.audio.devices.card import USUAL_RATE
from personaplex_ros.node.health.cards import CardSnapshot
from personaplex_ros.node.hosts.bus import Bus
from personaplex_ros.node.sound.telling import telling


class CardMicrophone:
    """A microphone, held from start to stop: a paused node leaves it to others.

    Raises AudioDeviceError if the card cannot be opened.
    """

    unreadable = 0
    last_problem = ""
    notes = ()

    def __init__(
        self, bus: Bus, card: str, callback: Callable[[AudioChunk], None], rate: int | None = None
    ) -> None:
        self._source = SoundCardSource(
            callback, device=parse_device(card), rate=rate, on_change=telling(bus, "microphone")
        )
        self.start = self._source.start
        self.stop = self._source.stop
        self.close = self._source.stop

    @property
    def remedy(self) -> str:
        """What to do when nothing comes."""
        return self._source.problem or "does no other program hold the sound card?"

    @property
    def card(self) -> CardSnapshot:
        """What is known of the card."""
        source = self._source
        return CardSnapshot(
            "microphone card", source.name, source.problem, asdict(source.snapshot())
        )


class CardLoudspeaker:
    """A loudspeaker that plays at once. Raises AudioDeviceError if the card cannot be opened."""

    problem = ""

    def __init__(self, bus: Bus, card: str, rate: int, on_played: OnPlayed | None = None) -> None:
        """Take speech at `rate`, samples per second; tell `on_played` what is played and when."""
        self._sink = SoundCardSink(
            rate,
            device=parse_device(card),
            on_played=on_played,
            on_change=telling(bus, "loudspeaker"),
        )
        self._sink.start()

    def write(self, samples: npt.NDArray[np.float32]) -> None:
        """Take float32 samples [n]; never blocks."""
        self._sink.write(samples)

    def close(self) -> None:
        """Stop and free the card."""
        self._sink.stop()

    @property
    def card(self) -> CardSnapshot:
        """What is known of the card."""
        counters = asdict(self._sink.snapshot())
        counters |= counters.pop("playback")
        return CardSnapshot("loudspeaker card", self._sink.name, self._sink.problem, counters)


def check_loudspeaker(card: str) -> None:
    """Raise AudioDeviceError unless a card can be opened."""
    SoundCardSink(USUAL_RATE, device=parse_device(card))
