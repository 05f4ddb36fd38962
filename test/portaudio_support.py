"""A stand-in for sounddevice whose cards can be plugged in and out."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from personaplex_ros.audio.devices import card, keeper
from personaplex_ros.audio.devices.listing import devices_of


class FakeStream:
    """A stream that lives as long as its card is there and PortAudio is not initialised anew."""

    def __init__(self, library: FakePortAudio, kind: str, arguments: dict[str, Any]) -> None:
        card = library.known[arguments["device"]]
        if not library.has(card) or card["name"].startswith("busy"):
            raise library.PortAudioError("Device unavailable")
        self.kind, self.card, self.library = kind, card, library
        self.__dict__.update(arguments)
        self.latency = 0.03
        self.started = self.closed = False

    @property
    def active(self) -> bool:
        """Whether sound flows."""
        return self.started and not self.closed and self.library.has(self.card)

    def start(self) -> None:
        """Let sound flow."""
        self.started = True

    def abort(self, ignore_errors: bool = True) -> None:
        """Stop it."""

    def close(self, ignore_errors: bool = True) -> None:
        """Free the card."""
        self.closed = True

    def play(self, frames: int, dac_s: float = 0.0, **status: bool) -> Any:
        """Let the card ask for a block of samples [frames, 1] and return it."""
        block = np.ones((frames, 1), np.float32)
        times = SimpleNamespace(outputBufferDacTime=dac_s, currentTime=10.0)
        flags = {"output_underflow": False, "input_overflow": False, **status}
        self.callback(block, frames, times, SimpleNamespace(**flags))  # type: ignore[attr-defined]
        return block


class FakePortAudio:
    """The part of the sounddevice module that is used."""

    PortAudioError = type("PortAudioError", (Exception,), {})

    def __init__(self) -> None:
        self.cards: list[dict[str, Any]] = []
        self.known: list[dict[str, Any]] = []
        self.streams: list[FakeStream] = []
        self.initialised = 0

    def plug(self, name: str, inputs: int = 1, outputs: int = 1, at: int | None = None) -> None:
        """Add a card; PortAudio sees it when it is initialised next."""
        card = {
            "name": name,
            "max_input_channels": inputs,
            "max_output_channels": outputs,
            "default_samplerate": 48_000.0,
            "hostapi": 0,
        }
        self.cards.insert(len(self.cards) if at is None else at, card)

    def unplug(self, name: str) -> None:
        """Take a card away."""
        self.cards = [card for card in self.cards if card["name"] != name]

    def has(self, card: dict[str, Any]) -> bool:
        """Whether the card has been there all the time; one that came back is another."""
        return any(card is present for present in self.cards)

    def open(self, kind: str) -> list[FakeStream]:
        """Return the streams of one direction that are open."""
        return [stream for stream in self.streams if stream.kind == kind and not stream.closed]

    def breathe(self) -> None:
        """Let every card that works take or give a silent sample, by which it is seen to."""
        times = SimpleNamespace(inputBufferAdcTime=0.0, outputBufferDacTime=0.0, currentTime=10.0)
        status = SimpleNamespace(output_underflow=False, input_overflow=False)
        for stream in list(self.streams):
            if stream.active:
                kind = np.int16 if stream.kind == "input" else np.float32
                stream.callback(np.zeros((1, 1), kind), 1, times, status)  # type: ignore[attr-defined]

    def query_devices(self) -> list[dict[str, Any]]:
        """Return the cards that there were at the last initialisation."""
        return self.known

    def query_hostapis(self) -> list[dict[str, Any]]:
        """Return the only interface."""
        default = 0 if self.known else -1
        return [{"name": "ALSA", "default_input_device": default, "default_output_device": default}]

    def InputStream(self, **arguments: Any) -> FakeStream:
        """Open a microphone."""
        return self._stream("input", arguments)

    def OutputStream(self, **arguments: Any) -> FakeStream:
        """Open a loudspeaker."""
        return self._stream("output", arguments)

    def _stream(self, kind: str, arguments: dict[str, Any]) -> FakeStream:
        self.streams.append(FakeStream(self, kind, arguments))
        return self.streams[-1]

    def _terminate(self) -> None:
        assert not any(stream.active for stream in self.streams), "ended living streams"

    def _initialize(self) -> None:
        self.known = list(self.cards)
        self.initialised += 1


@pytest.fixture
def portaudio(monkeypatch: pytest.MonkeyPatch) -> FakePortAudio:
    """Return a stand-in with one card, and a keeper that is quick."""
    library = FakePortAudio()
    library.plug("Room Kit: USB (hw:1,0)")
    library._initialize()

    def look_for(sought: Any) -> None:
        """See the cards as another process does."""
        fresh = FakePortAudio()
        fresh.known = library.cards
        device = sought.find(devices_of(fresh.query_devices(), fresh.query_hostapis()))
        if device.name.startswith("busy"):
            raise keeper.AudioDeviceError(f"{device.name} cannot be opened")

    monkeypatch.setitem(sys.modules, "sounddevice", library)
    monkeypatch.setattr(keeper, "look_for", look_for)
    monkeypatch.setattr(keeper, "LOOK_S", 0.01)
    monkeypatch.setattr(card, "STILL_LOOKS", 10**6)
    monkeypatch.setattr(keeper, "RETRY_S", 0.01)
    return library
