"""Ogg-Opus (RFC 7845) as a live stream, in both directions; by PyAV, whose wheels are for ARM, too.

Nothing is held back: a frame that is written is heard when its bytes are read, 2.5 ms (the
encoder's own) later in the stream. So what the head says of samples to skip is not followed.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Sequence
from typing import Any

import av
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from personaplex_ros.wire.ogg import Packet, PacketReader, PageWriter

GRANULE_RATE = 48_000
"""Samples a second in which positions of Ogg-Opus count, whatever the rate of the sound."""
BITS_A_SECOND = 48_000
"""Of speech at 24 kHz; three quarters of what a telephone takes."""
MODE = "lowdelay"
"""With a third more bits than Opus's mode for speech, it takes 40 % of the time for a frame, comes
4 ms sooner, and is nearer to what was said (docs/dependencies.md)."""
PACKET_S = 0.08
"""A frame of the models that are spoken with: what is longer would be heard later."""
FLOOR = 1e-8
"""Of a noise that nobody hears and that costs no bits. Without it the encoder computes with the
smallest of numbers when silence comes, which takes processors three times as long."""
HEAD, TAGS = b"OpusHead", b"OpusTags"
SKIP = slice(10, 12)  # of the head: samples to skip at the begin

Sound = NDArray[np.float32]
NOTHING: Sound = np.zeros(0, np.float32)


class NotOpus(ValueError):
    """The stream holds something else."""


class OpusEncoder:
    """Encodes mono at `rate` to packets of 80 ms.

    rate: 8000, 12000, 16000, 24000 or 48000. Python's lock is let go meanwhile, as by the decoder.
    """

    def __init__(self, rate: int) -> None:
        self._encoder: Any = av.CodecContext.create("libopus", "w")
        self._encoder.sample_rate, self._encoder.layout = rate, "mono"
        self._encoder.format, self._encoder.bit_rate = "flt", BITS_A_SECOND
        self._encoder.options = {"application": MODE, "frame_duration": f"{1e3 * PACKET_S:g}"}
        self._encoder.open()
        self._rate = rate
        self._size = round(PACKET_S * rate)
        self._rest: Sound = NOTHING
        noise = np.random.default_rng(0).uniform(-FLOOR, FLOOR, (1, self._size))
        self._floor = noise.astype(np.float32)
        self._samples = 0
        self.head: bytes = self._encoder.extradata or b""

    def encode(self, samples: Sound) -> list[bytes]:
        """Return the packets that are complete with these samples, float32 [n] in [-1, 1]."""
        waiting = np.concatenate([self._rest, samples.astype(np.float32, copy=False)])
        whole = len(waiting) - len(waiting) % self._size
        self._rest = waiting[whole:]
        packets = []
        for begin in range(0, whole, self._size):
            part = waiting[None, begin : begin + self._size] + self._floor
            frame = av.AudioFrame.from_ndarray(part, "flt", "mono")
            frame.sample_rate, frame.pts = self._rate, self._samples
            self._samples += self._size
            packets += [bytes(packet) for packet in self._encoder.encode(frame)]
        return packets


class OpusPages:
    """Puts packets of an encoder into pages of Ogg, the first of which have its `head`."""

    def __init__(self, head: bytes) -> None:
        self._granule = 0
        self._pages = PageWriter(secrets.randbits(32))
        self._head = self._pages.page([head], 0)
        self._head += self._pages.page([TAGS + struct.pack("<I", 0) * 2], 0)

    def page(self, packets: Sequence[bytes]) -> bytes:
        """Return a page of packets; nothing for none."""
        if not packets:
            return b""
        self._granule += len(packets) * round(PACKET_S * GRANULE_RATE)
        head, self._head = self._head, b""
        return head + self._pages.page(packets, self._granule)


class OpusWriter:
    """Encodes mono at `rate` as Ogg-Opus; its first bytes are the head of the stream."""

    def __init__(self, rate: int) -> None:
        self._encoder = OpusEncoder(rate)
        self._pages = OpusPages(self._encoder.head)

    def write(self, samples: Sound) -> bytes:
        """Return the pages that are complete with these samples, float32 [n] in [-1, 1]."""
        return self._pages.page(self._encoder.encode(samples))


class OpusDecoder:
    """Decodes packets to mono at `rate`; `undecodable` counts those that it passed over.

    What is encoded with several channels is mixed; another stream may follow the first. There are
    as many samples as were encoded, at once: what the resampler holds back (0.7 ms) is silence at
    the begin.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._decoder: Any = None
        self._resampler: Any = None
        self._fresh = True  # nothing was resampled yet
        self.undecodable = 0

    def decode(self, packet: Packet) -> Sound:
        """Return the samples float32 [n] of a packet; raises NotOpus for one of something else."""
        if packet.first:
            self._begin(packet.content)
        elif self._decoder is None:
            raise NotOpus("the stream does not begin with the head of Ogg-Opus")
        elif packet.content and not packet.content.startswith(TAGS):
            return self._decoded(packet.content)
        return NOTHING

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
        self._fresh = True

    def _decoded(self, content: bytes) -> Sound:
        try:
            frames = self._decoder.decode(av.Packet(content))
        except FFmpegError:
            self.undecodable += 1
            return NOTHING
        parts: list[Sound] = []
        for frame in frames:
            frame.pts = None
            parts += [part.to_ndarray()[0] for part in self._resampler.resample(frame)]
            if self._fresh:
                whole = frame.samples * self._rate // GRANULE_RATE
                parts.insert(0, np.zeros(whole - sum(map(len, parts)), np.float32))
                self._fresh = False
        return np.concatenate(parts) if parts else NOTHING


class OpusReader:
    """Decodes Ogg-Opus to mono at `rate`; `damaged` counts what it passed over."""

    def __init__(self, rate: int) -> None:
        self._packets = PacketReader()
        self._decoder = OpusDecoder(rate)

    @property
    def damaged(self) -> int:
        """Packets and pages that were passed over."""
        return self._packets.damaged + self._decoder.undecodable

    def read(self, pages: bytes) -> Sound:
        """Return the samples float32 [n] that are complete with these bytes.

        Raises NotOpus for a stream of something else.
        """
        packets = self._packets.push(pages)
        return np.concatenate([NOTHING, *(self._decoder.decode(packet) for packet in packets)])
