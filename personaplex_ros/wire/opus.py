"""Ogg-Opus (RFC 7845) as a live stream, in both directions; by PyAV, whose wheels are for ARM, too.

Nothing is held back: a frame that is written is heard when its bytes are read, 6.5 ms (the
encoder's own) later in the stream. So what the head says of samples to skip is not followed.
"""

from __future__ import annotations

import secrets
import struct
from typing import Any

import av
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from personaplex_ros.wire.ogg import PacketReader, PageWriter

GRANULE_RATE = 48_000
"""Samples a second in which positions of Ogg-Opus count, whatever the rate of the sound."""
BITS_A_SECOND = 32_000
"""Of speech at 24 kHz; half of what a telephone takes."""
PACKET_S = 0.02
HEAD, TAGS = b"OpusHead", b"OpusTags"
SKIP = slice(10, 12)  # of the head: samples to skip at the begin

Sound = NDArray[np.float32]


class NotOpus(ValueError):
    """The stream holds something else."""


class OpusWriter:
    """Encodes mono at `rate`; its first bytes are the head of the stream.

    rate: 8000, 12000, 16000, 24000 or 48000.
    """

    def __init__(self, rate: int) -> None:
        self._encoder: Any = av.CodecContext.create("libopus", "w")
        self._encoder.sample_rate, self._encoder.layout = rate, "mono"
        self._encoder.format, self._encoder.bit_rate = "flt", BITS_A_SECOND
        self._encoder.options = {"application": "voip", "frame_duration": f"{1e3 * PACKET_S:g}"}
        self._encoder.open()
        self._rate = rate
        self._size = round(PACKET_S * rate)
        self._rest: Sound = np.zeros(0, np.float32)
        self._granule = 0
        self._pages = PageWriter(secrets.randbits(32))
        self._head = self._pages.page([self._encoder.extradata or b""], 0)
        self._head += self._pages.page([TAGS + struct.pack("<I", 0) * 2], 0)

    def write(self, samples: Sound) -> bytes:
        """Return the pages that are complete with these samples, float32 [n] in [-1, 1]."""
        self._rest = np.concatenate([self._rest, samples.astype(np.float32, copy=False)])
        packets = []
        while len(self._rest) >= self._size:
            frame = av.AudioFrame.from_ndarray(self._rest[None, : self._size], "flt", "mono")
            frame.sample_rate = self._rate
            frame.pts = self._granule * self._rate // GRANULE_RATE
            self._rest = self._rest[self._size :]
            packets += [bytes(packet) for packet in self._encoder.encode(frame)]
            self._granule += self._size * GRANULE_RATE // self._rate
        head, self._head = self._head, b""
        return head + self._pages.page(packets, self._granule) if packets else head


class OpusReader:
    """Decodes a stream to mono at `rate`; `damaged` counts packets and pages that it passed over.

    What is encoded with several channels is mixed; another stream may follow the first.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._packets = PacketReader()
        self._decoder: Any = None
        self._resampler: Any = None
        self._undecodable = 0

    @property
    def damaged(self) -> int:
        """What was passed over."""
        return self._packets.damaged + self._undecodable

    def read(self, pages: bytes) -> Sound:
        """Return the samples float32 [n] that are complete with these bytes.

        Raises NotOpus for a stream of something else.
        """
        sounds: list[Sound] = [np.zeros(0, np.float32)]
        for packet in self._packets.push(pages):
            if packet.first:
                self._begin(packet.content)
            elif self._decoder is None:
                raise NotOpus("the stream does not begin with the head of Ogg-Opus")
            elif packet.content and not packet.content.startswith(TAGS):
                sounds += self._decoded(packet.content)
        return np.concatenate(sounds)

    def _begin(self, head: bytes) -> None:
        if not head.startswith(HEAD) or len(head) < 19:
            raise NotOpus(f"it is Ogg, but no Opus (it begins with {head[:8]!r})")
        without_skip = bytearray(head)
        without_skip[SKIP] = bytes(2)
        decoder: Any = av.CodecContext.create("libopus", "r")
        decoder.extradata = bytes(without_skip)
        decoder.sample_rate = GRANULE_RATE
        decoder.layout = "mono" if head[9] == 1 else "stereo"
        try:
            decoder.open()
        except (FFmpegError, ValueError) as error:
            raise NotOpus(f"it is an Opus stream of an unusual kind ({error})") from error
        self._decoder = decoder
        self._resampler = av.AudioResampler("flt", "mono", self._rate)

    def _decoded(self, packet: bytes) -> list[Sound]:
        try:
            frames = self._decoder.decode(av.Packet(packet))
        except FFmpegError:
            self._undecodable += 1
            return []
        parts: list[Sound] = []
        for frame in frames:
            frame.pts = None
            for part in self._resampler.resample(frame):
                parts.append(part.to_ndarray()[0])
        return parts
