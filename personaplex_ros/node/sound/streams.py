"""Packets from the network as the microphone of a node: listened to, looked after, told of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

from personaplex_ros.audio import AudioChunk
from personaplex_ros.audio.udp import UdpSource, parse_udp
from personaplex_ros.node.health.cards import CardSnapshot
from personaplex_ros.node.hosts.bus import Bus
from personaplex_ros.node.sound.telling import telling

UDP = "udp"
UDP_PATTERN = rf"{UDP}://\S+"


class UdpMicrophone:
    """A microphone that sends UDP, heard from start to stop.

    Raises ValueError for a URL that says too little, OSError if it cannot be listened to.
    """

    unreadable = 0
    last_problem = ""
    notes = ()

    def __init__(self, bus: Bus, url: str, callback: Callable[[AudioChunk], None]) -> None:
        tell = telling(bus, "microphone stream")
        self._source = UdpSource(parse_udp(url), callback, tell)
        self.start = self._source.start
        self.stop = self._source.stop
        self.close = self._source.stop

    @property
    def remedy(self) -> str:
        """What to do when nothing comes."""
        return self._source.problem or "does the sender of the packets run?"

    @property
    def card(self) -> CardSnapshot:
        """What is known of the stream."""
        source = self._source
        counters = asdict(source.snapshot())
        return CardSnapshot("microphone stream", source.address.url, source.problem, counters)
