"""The two nodes of sound cards, for the hosts to run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from personaplex_ros.node.devices.microphone import MicrophoneNode
from personaplex_ros.node.devices.parameters import (
    MICROPHONE_TABLE,
    SPEAKER_TABLE,
    DeviceParameters,
    MicrophoneParameters,
    SpeakerParameters,
)
from personaplex_ros.node.devices.speaker import SpeakerNode
from personaplex_ros.node.hosts.bus import Bus, Closable
from personaplex_ros.node.parameters.definition import Parameter


@dataclass(frozen=True)
class DeviceKind:
    """A node's name, its parameters, and how it is made."""

    name: str
    table: Sequence[Parameter]
    values: Callable[..., DeviceParameters]
    make: Callable[[Bus, Any], Closable]


KINDS = {
    kind.name: kind
    for kind in (
        DeviceKind("microphone", MICROPHONE_TABLE, MicrophoneParameters, MicrophoneNode),
        DeviceKind("speaker", SPEAKER_TABLE, SpeakerParameters, SpeakerNode),
    )
}


def refuse_words(kind: str, words: Sequence[str]) -> None:
    """Raise ValueError for words that are not ROS's."""
    if words:
        raise ValueError(f"unknown argument {words[0]!r}; {kind} takes --ros-args ... only")
