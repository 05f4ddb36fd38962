"""Ogg (RFC 3533) as a stream of packets, of one logical stream at a time, in both directions."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

CAPTURE = b"OggS"
HEADER = struct.Struct("<4sBBqIIIB")  # capture, version, flags, granule, serial, number, sum, size
VERSION = 4  # place of the version, which is 0
CONTINUED, FIRST = 1, 2
FULL = 255  # bytes of a segment after which its packet goes on
LARGEST_PACKET = 64 << 10
"""Bytes; a packet of Opus has at most 7.5 kB."""


_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def checksum(page: bytes) -> int:
    """Return the check sum of a page whose own field is zero.

    It is that of zip files with the bits of each byte, and of the sum, in the other order, and
    without the ones at the begin and the end; theirs is computed in C.
    """
    mirrored = zlib.crc32(page.translate(_MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int.from_bytes(mirrored.to_bytes(4, "little").translate(_MIRRORED), "big")


class PageWriter:
    """Puts packets into pages; `serial` tells the stream from others."""

    def __init__(self, serial: int) -> None:
        self._serial = serial
        self._number = 0

    def page(self, packets: Sequence[bytes], granule: int) -> bytes:
        """Return a page of whole packets, at the end of which the stream is at `granule`.

        Raises ValueError for more than fits into one page, 64 kB.
        """
        table = b"".join(
            bytes([FULL] * (len(packet) // FULL) + [len(packet) % FULL]) for packet in packets
        )
        if len(table) > FULL:
            raise ValueError(f"{sum(map(len, packets))} bytes do not fit into a page of Ogg")
        flags = 0 if self._number else FIRST
        content = table + b"".join(packets)

        def header(total: int) -> bytes:
            place = (granule, self._serial, self._number, total, len(table))
            return HEADER.pack(CAPTURE, 0, flags, *place)

        total = checksum(header(0) + content)
        page = header(total) + content
        self._number += 1
        return page


@dataclass(frozen=True)
class Packet:
    """A packet, and whether it is the first of its stream."""

    content: bytes
    first: bool


class PacketReader:
    """Finds packets in bytes that come in parts of any size.

    What is no page is passed over up to the next one; pages with a wrong check sum are, too.
    `damaged` counts both.
    """

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._begun = b""
        self._broken = False  # the packet that goes on has lost its begin
        self.damaged = 0

    def push(self, part: bytes) -> Iterator[Packet]:
        """Take the next bytes; yield the packets that end in them."""
        self._bytes += part
        while (page := self._page()) is not None:
            yield from self._packets(page)

    def _page(self) -> bytes | None:
        """Return the next whole page, None while it is not there."""
        while True:
            self._skip_to_capture()
            held = self._bytes
            if len(held) < HEADER.size:
                return None
            if held[VERSION]:
                self._pass_over()
                continue
            if len(held) < HEADER.size + held[HEADER.size - 1]:
                return None
            body = HEADER.size + held[HEADER.size - 1]
            size = body + sum(held[HEADER.size : body])
            if len(held) < size:
                return None
            page = bytes(held[:size])
            if HEADER.unpack_from(page)[6] == checksum(page[:22] + bytes(4) + page[26:]):
                del held[:size]
                return page
            self._pass_over()

    def _pass_over(self) -> None:
        self.damaged += 1
        del self._bytes[:1]

    def _skip_to_capture(self) -> None:
        place = self._bytes.find(CAPTURE)
        if place < 0:  # its begin may be at the end
            place = max(0, len(self._bytes) - len(CAPTURE) + 1)
            while place < len(self._bytes) and not CAPTURE.startswith(self._bytes[place:]):
                place += 1
        if place:
            self.damaged += 1
            del self._bytes[:place]

    def _packets(self, page: bytes) -> Iterator[Packet]:
        flags, segments = page[5], page[HEADER.size - 1]
        if not flags & CONTINUED:
            self._begun, self._broken = b"", False
        elif not self._begun:
            self._broken = True
        place, first = HEADER.size + segments, bool(flags & FIRST)
        for size in page[HEADER.size : HEADER.size + segments]:
            self._begun += page[place : place + size]
            place += size
            if size == FULL and len(self._begun) <= LARGEST_PACKET:
                continue
            packet, self._begun = self._begun, b""
            broken, self._broken = self._broken, size == FULL
            if not broken and not self._broken:
                yield Packet(packet, first)
            first = False
