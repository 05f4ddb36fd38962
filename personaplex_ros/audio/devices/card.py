"""One direction of one sound card, which may be unplugged and plugged in again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .library import AudioDeviceError
from .listing import CALLED, DeviceInfo, Kind, find_device

USUAL_RATE = 48_000
"""Asked for first: ALSA's plugins take any rate, and sound servers and most cards run at this."""
STILL_LOOKS = 12
"""Looks of the keeper without a block of sound after which a card counts as gone."""

OnBlock = Callable[[Any, int, Any, Any], None]
OnChange = Callable[[str], None]
"""Told what is wrong when a card has gone, and nothing (an empty text) when it is back."""


def ignore_change(problem: str) -> None:
    """Tell nobody."""


class Card:
    """A stream of PortAudio that is opened, found to have died, and opened again.

    on_block: PortAudio's callback. on_open: called with the rate whenever it is opened.
    rate: samples per second, None for what suits the card. Only the keeper calls what is not a
    property.
    """

    def __init__(
        self,
        kind: Kind,
        wanted: int | str | None,
        rate: int | None,
        settings: Callable[[int], dict[str, Any]],
        on_block: OnBlock,
        on_open: Callable[[int], None],
        on_change: OnChange = ignore_change,
    ) -> None:
        self.kind: Kind = kind
        self.problem = ""
        self.reopened = 0
        self._wanted = wanted
        self._rate = rate
        self._settings = settings
        self._callback = on_block
        self._on_open = on_open
        self._on_change = on_change
        self._device: DeviceInfo | None = None
        self._stream: Any = None
        self._blocks = 0
        self._blocks_seen = 0
        self._still = 0

    @property
    def name(self) -> str:
        """The card as the system calls it; before it was found, as the user does."""
        return self._device.name if self._device else str(self._wanted or "default")

    @property
    def is_open(self) -> bool:
        """Whether there is a stream, dead or alive."""
        return self._stream is not None

    @property
    def latency_s(self) -> float:
        """Seconds between a block of sound and its callback, as PortAudio expects them."""
        return float(getattr(self._stream, "latency", 0.0))

    def find(self, devices: Sequence[DeviceInfo]) -> DeviceInfo:
        """Return which of the devices it is. Raises AudioDeviceError.

        An index is good for the first time only: numbers change when a card is plugged in.
        """
        if not isinstance(self._wanted, int) or self._device is None:
            return find_device(devices, self._wanted, self.kind)
        try:
            return find_device(devices, self._device.name, self.kind)
        except AudioDeviceError:
            return find_device(devices, self._device.lasting_name, self.kind)

    def arguments(self, device: DeviceInfo) -> list[dict[str, Any]]:
        """Return what the stream may be opened with: at the wanted rate, or else the best first."""
        rates = [self._rate] if self._rate else [USUAL_RATE, device.rate]
        return [
            {"device": device.index, "channels": 1, "samplerate": rate, **self._settings(rate)}
            for rate in dict.fromkeys(rates)
        ]

    def open(self, module: Any, devices: Sequence[DeviceInfo], *, run: bool) -> None:
        """Open the stream, to run or only to see that it can. Raises AudioDeviceError."""
        device = self.find(devices)
        stream, rate = self._stream_of(module, device)
        self._device = device
        self._on_open(rate)
        if not run:
            stream.close()
            return
        self._blocks = self._blocks_seen = self._still = 0
        self._stream = stream
        try:
            stream.start()
        except module.PortAudioError as error:
            self.close()
            raise AudioDeviceError(f"{device.name} cannot be started ({error})") from error

    def _stream_of(self, module: Any, device: DeviceInfo) -> tuple[Any, int]:
        """Return a stream and its rate."""
        stream_class = module.InputStream if self.kind == "input" else module.OutputStream
        refusal: Exception | None = None
        for arguments in self.arguments(device):
            try:
                stream = stream_class(**arguments, callback=self._on_block)
                return stream, arguments["samplerate"]
            except (module.PortAudioError, ValueError) as error:
                refusal = error
        raise AudioDeviceError(f"{device.name} cannot be opened ({refusal})") from refusal

    def close(self) -> None:
        """Close the stream, if there is one; a driver that has lost its card cannot object."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.abort(ignore_errors=True)
            stream.close(ignore_errors=True)

    def look(self, module: Any) -> str:
        """Return why the stream must be given up; empty while sound flows.

        A card that had gone is back when its first block has come, and not when it can be opened.
        """
        if self.problem and self._blocks:
            self._regain()
        try:
            active = bool(self._stream.active)
        except module.PortAudioError as error:
            return str(error)
        self._still = 0 if self._blocks != self._blocks_seen else self._still + 1
        self._blocks_seen = self._blocks
        if not active:
            return "the system has ended its stream"
        return "it takes and gives no sound" if self._still >= STILL_LOOKS else ""

    def lose(self, why: str) -> None:
        """Note that the card has gone; told once."""
        self.close()
        told = bool(self.problem)
        self.problem = (
            f"the {CALLED[self.kind]} {self.name} is lost: {why}; it is opened again when it can be"
        )
        if not told:
            self._on_change(self.problem)

    def _regain(self) -> None:
        self.reopened += 1
        self.problem = ""
        self._on_change("")

    def _on_block(self, block: Any, frames: int, times: Any, status: Any) -> None:
        self._blocks += 1
        self._callback(block, frames, times, status)
