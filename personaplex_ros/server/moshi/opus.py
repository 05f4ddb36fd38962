"""What a client sends and hears as Ogg-Opus: pages on the event loop, sound in the other thread."""

from __future__ import annotations

from collections.abc import Iterator

from personaplex_ros.server.allowance import Allowance
from personaplex_ros.server.limits import Limits
from personaplex_ros.server.refusal import Cause, Refusal
from personaplex_ros.wire.ogg import Packet, PacketReader
from personaplex_ros.wire.opus import NotOpus, OpusDecoder, OpusEncoder, Sound

LARGEST_PACKET = 64 << 10
"""Bytes without any audio in them, after which no more is waited for."""


class Pages:
    """Finds the packets in what a client sends."""

    def __init__(self) -> None:
        self._reader = PacketReader()
        self._silent_bytes = 0

    def packets(self, pages: bytes) -> Iterator[Packet]:
        """Yield the packets that are complete with these bytes.

        Raises Refusal for what is no Ogg.
        """
        self._silent_bytes += len(pages)
        for packet in self._reader.push(pages):
            self._silent_bytes = 0
            yield packet
        if self._reader.damaged:
            raise _refused("its pages are damaged")
        if self._silent_bytes > LARGEST_PACKET:
            raise _refused(f"{self._silent_bytes} bytes of it hold no packet")


class OpusCodec:
    """Codes the sound of a conversation as Opus.

    A client that is more than `limits.ahead_s` ahead of time is refused.
    """

    def __init__(self, rate: int, limits: Limits) -> None:
        self._rate = rate
        self._ahead_s = limits.ahead_s
        self._seconds = Allowance(1.0, limits.ahead_s)
        self._encoder = OpusEncoder(rate)
        self._decoder = OpusDecoder(rate)
        self.head = self._encoder.head

    def encode(self, samples: Sound) -> list[bytes]:
        """Return packets of samples float32 [n] in [-1, 1]."""
        return self._encoder.encode(samples)

    def decode(self, packet: Packet) -> Sound:
        """Return the samples float32 [n] of a packet; raises Refusal for one that has none."""
        try:
            samples = self._decoder.decode(packet)
        except NotOpus as error:
            raise _refused(str(error)) from error
        if self._decoder.undecodable:
            raise _refused("a packet cannot be decoded")
        if not self._seconds.take(len(samples) / self._rate):
            words = f"audio is {self._ahead_s:g} s ahead of time; send it at the pace it is spoken"
            raise Refusal(Cause.BAD, words)
        return samples


def _refused(why: str) -> Refusal:
    words = f"the audio is no Ogg-Opus ({why}); send pages of one stream, in order, mono"
    return Refusal(Cause.BAD, words)
