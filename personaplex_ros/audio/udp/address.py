"""What a URL such as udp://239.168.123.161:5555?rate=16000 says about packets of sound."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.audio.chunk import ChunkLimits
from personaplex_ros.audio.pcm import float32_to_int16

_LIMITS = ChunkLimits()
FORMATS = {"s16le": "<i2", "s16be": ">i2", "s32le": "<i4", "f32le": "<f4"}
"""Names of sample formats, as ffmpeg has them, and NumPy's names."""
LONGEST_HEADER = 64
"""Bytes; RTP's has 12."""
FORM = (
    "udp://ADDRESS:PORT?rate=HZ, and as needed &channels=N, &format="
    f"{'|'.join(FORMATS)}, &interface=NAME, &sender=ADDRESS, &header=BYTES"
)


@dataclass(frozen=True)
class UdpAddress:
    """Where packets of PCM come to, and what is in them.

    host: the multicast group to join, or the address of this machine on which they arrive.
    rate: samples per second. channels: interleaved. format: a key of FORMATS. interface: name or
    address of the network interface on which a group is joined; empty: the system's choice.
    sender: the only address that is heard; empty: whoever sends first. header: bytes of each packet
    before its samples.
    """

    url: str
    host: str
    port: int
    rate: int
    channels: int = 1
    format: str = "s16le"
    interface: str = ""
    sender: str = ""
    header: int = 0

    @property
    def multicast(self) -> bool:
        """Whether the host is a group."""
        return ipaddress.ip_address(self.host).is_multicast

    def interface_index(self) -> int:
        """Return the number of the interface, 0 for the system's choice; OSError if unknown."""
        if not self.interface or _is_address(self.interface):
            return 0
        return socket.if_nametoindex(self.interface)

    def interface_address(self) -> str:
        """Return the address of the interface, 0.0.0.0 where it is meant by its name."""
        return self.interface if _is_address(self.interface) else "0.0.0.0"

    def samples(self, packet: bytes) -> NDArray[np.int16] | None:
        """Return a packet's samples [frames * channels], interleaved; None if it is no such one."""
        kind = np.dtype(FORMATS[self.format])
        length = len(packet) - self.header
        if length <= 0 or length % (kind.itemsize * self.channels):
            return None
        samples = np.frombuffer(packet, kind, offset=self.header)
        if len(samples) > self.channels * self.rate * _LIMITS.max_chunk_s:
            return None
        if kind.kind == "f":
            return float32_to_int16(samples)
        return (samples >> 8 * (kind.itemsize - 2)).astype(np.int16)


def parse_udp(url: str) -> UdpAddress:
    """Read a URL; ValueError names what is wrong with it and the form that it must have."""
    try:
        return _parse(url)
    except ValueError as error:
        raise ValueError(f"{url!r}: {error}; it must be {FORM}") from None


def _parse(url: str) -> UdpAddress:
    parts = urlsplit(url)
    if parts.scheme != "udp" or parts.path.strip("/") or parts.fragment or parts.username:
        raise ValueError("that is no udp://ADDRESS:PORT")
    if not _is_address(parts.hostname or ""):
        raise ValueError(f"{parts.hostname or 'nothing'} is no IPv4 address")
    if not parts.port:
        raise ValueError("the port is missing")
    given = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    known = {"rate", "channels", "format", "interface", "sender", "header"}
    if unknown := sorted(set(given) - known):
        raise ValueError(f"unknown {', '.join(unknown)}")
    if "rate" not in given:
        raise ValueError("rate is missing: the packets do not say it")
    if given.get("format", "s16le") not in FORMATS:
        raise ValueError(f"format is {given['format']!r}")
    if "sender" in given and not _is_address(given["sender"]):
        raise ValueError(f"sender is {given['sender']!r}, which is no IPv4 address")
    return UdpAddress(
        url,
        str(parts.hostname),
        parts.port,
        _number(given, "rate", _LIMITS.min_rate, _LIMITS.max_rate),
        _number(given, "channels", 1, _LIMITS.max_channels, 1),
        given.get("format", "s16le"),
        given.get("interface", ""),
        given.get("sender", ""),
        _number(given, "header", 0, LONGEST_HEADER, 0),
    )


def _number(given: dict[str, str], name: str, least: int, most: int, default: int = 0) -> int:
    text = given.get(name, str(default))
    if not text.isdecimal() or not least <= int(text) <= most:
        raise ValueError(f"{name} is {text!r}, which is not from {least} to {most}")
    return int(text)


def _is_address(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True
