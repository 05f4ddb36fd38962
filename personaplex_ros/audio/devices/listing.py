"""The sound cards of this machine, and which of them a user means."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from .library import AudioDeviceError, load_library

Kind = Literal["input", "output"]
CALLED = {"input": "microphone", "output": "loudspeaker"}
_PLACE = re.compile(r"\s*\(hw:\d+,\d+\)")
"""Where ALSA has put a card; it may get another number when it is plugged in again."""


@dataclass(frozen=True)
class DeviceInfo:
    """One sound card as PortAudio sees it.

    index, name, channel counts, usual rate in Hz, the interface of the system (ALSA, ...), and
    whether it is the default for either direction.
    """

    index: int
    name: str
    inputs: int
    outputs: int
    rate: int
    interface: str = ""
    default_input: bool = False
    default_output: bool = False

    @property
    def lasting_name(self) -> str:
        """The name without the place that changes when the card is plugged in again."""
        return _PLACE.sub("", self.name)

    def channels(self, kind: Kind) -> int:
        """Return the number of channels of one direction; 0 where it has none."""
        return self.inputs if kind == "input" else self.outputs

    def is_default(self, kind: Kind) -> bool:
        """Tell whether it is taken where none is named."""
        return self.default_input if kind == "input" else self.default_output

    def __str__(self) -> str:
        return f"{self.index}: {self.name}" + (f", {self.interface}" if self.interface else "")


def list_devices() -> list[DeviceInfo]:
    """Return the sound cards of this machine, perhaps none. Raises AudioDeviceError."""
    module = load_library()
    return devices_of(list(module.query_devices()), list(module.query_hostapis()))


def parse_device(text: str) -> int | str | None:
    """Return which card a text means, for `find_device`: digits a number, nothing the default."""
    if not text:
        return None
    return int(text) if text.isdecimal() else text


def devices_of(cards: Sequence[Any], interfaces: Sequence[Any]) -> list[DeviceInfo]:
    """Return what sounddevice tells of cards and host interfaces as DeviceInfo."""
    # PortAudio's default is that of the first interface which has any card.
    default_input = _default(interfaces, "default_input_device")
    default_output = _default(interfaces, "default_output_device")
    return [
        DeviceInfo(
            index,
            str(card["name"]),
            int(card["max_input_channels"]),
            int(card["max_output_channels"]),
            int(card["default_samplerate"]),
            str(interfaces[card["hostapi"]]["name"]),
            index == default_input,
            index == default_output,
        )
        for index, card in enumerate(cards)
    ]


def find_device(devices: Sequence[DeviceInfo], wanted: int | str | None, kind: Kind) -> DeviceInfo:
    """Return the card that `wanted` means for one direction.

    An index, a whole name, or words of one, in any case and order; None is the default. Raises
    AudioDeviceError that tells the candidates where several fit, and what there is where none does.
    """
    usable = [device for device in devices if device.channels(kind)]
    if not usable:
        raise AudioDeviceError(
            f"there is no {CALLED[kind]}: 'personaplex devices' lists the sound cards, and "
            "without one topics or files serve as source and sink"
        )
    if wanted is None:
        return next((device for device in usable if device.is_default(kind)), usable[0])
    if isinstance(wanted, int):
        fitting = [device for device in usable if device.index == wanted]
    else:
        fitting = _named(usable, wanted)
    if not fitting:
        raise AudioDeviceError(
            f"there is no {CALLED[kind]} '{wanted}'; there are: {_listed(usable)} (a card that "
            "another program holds may be missing)"
        )
    if len(fitting) > 1:
        raise AudioDeviceError(
            f"{CALLED[kind]} '{wanted}' may be any of {_listed(fitting)}; say more of its name, "
            "or its number"
        )
    return fitting[0]


def _named(devices: Sequence[DeviceInfo], wanted: str) -> list[DeviceInfo]:
    text = wanted.casefold()
    for whole in (lambda d: d.name, lambda d: d.lasting_name, lambda d: str(d).partition(": ")[2]):
        exact = [device for device in devices if whole(device).casefold() == text]
        if exact:
            return exact
    words = text.split()
    return [d for d in devices if all(word in str(d).casefold() for word in words)]


def _default(interfaces: Sequence[Any], key: str) -> int:
    return next((int(i[key]) for i in interfaces if int(i[key]) >= 0), -1)


def _listed(devices: Sequence[DeviceInfo]) -> str:
    return "; ".join(str(device) for device in devices)
