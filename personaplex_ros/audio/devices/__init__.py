"""Sound cards (PortAudio by way of sounddevice, which is imported only when one is asked for)."""

from .library import AudioDeviceError
from .listing import DeviceInfo, Kind, find_device, list_devices, parse_device
from .sink import OnPlayed, SinkCounters, SoundCardSink
from .source import SoundCardSource, SourceCounters

__all__ = [
    "AudioDeviceError",
    "DeviceInfo",
    "Kind",
    "OnPlayed",
    "SinkCounters",
    "SoundCardSink",
    "SoundCardSource",
    "SourceCounters",
    "find_device",
    "list_devices",
    "parse_device",
]
