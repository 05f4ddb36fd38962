"""A microphone whose samples come as UDP packets, unicast or multicast; no sound card."""

from .address import UdpAddress, parse_udp
from .source import UdpCounters, UdpSource

__all__ = ["UdpAddress", "UdpCounters", "UdpSource", "parse_udp"]
