"""Parameters of the nodes for a microphone and a loudspeaker.

Those that the node personaplex has too are named and mean the same, so that one file may serve all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from personaplex_ros.node.parameters.definition import (
    ParameterError,
    Value,
    When,
    parameter,
    parameters_of,
)
from personaplex_ros.node.sound.streams import UDP_PATTERN
from personaplex_ros.node.sound.types import AUDIO_TYPES

_CARD = "number, name or words of the name, as `personaplex devices` tells it; empty: the default."


@dataclass(frozen=True)
class DeviceParameters:
    """What both have; all are set when the node starts."""

    card: str = parameter("", f"Sound card: {_CARD}", When.STARTUP)
    diagnostics_period_s: float = parameter(
        1.0,
        "Time between two messages on /diagnostics.",
        When.STARTUP,
        unit="s",
        minimum=0.1,
        maximum=60.0,
    )

    def as_dict(self) -> dict[str, Value]:
        """Return all values by name."""
        return asdict(self)


@dataclass(frozen=True)
class MicrophoneParameters(DeviceParameters):
    """Parameters of the node microphone."""

    source: str = parameter(
        "",
        "Where the sound comes from, if not from the sound card: UDP packets of samples.",
        When.STARTUP,
        pattern=f"|{UDP_PATTERN}",
        form="empty, or udp://ADDRESS:PORT?rate=HZ",
    )

    sample_rate: int = parameter(
        0,
        "Samples per second that the card is asked for; 0 is 48000 where it can.",
        When.STARTUP,
        unit="Hz",
        minimum=0,
        maximum=192000,
    )
    audio_in_type: str = parameter(
        "personaplex_ros/msg/AudioFrame",
        "Message type of audio_in, mono; as the node personaplex has it.",
        When.STARTUP,
        choices=AUDIO_TYPES,
    )
    microphone_frame_id: str = parameter(
        "robot_microphone", "Coordinate frame written into published headers.", When.STARTUP
    )


@dataclass(frozen=True)
class SpeakerParameters(DeviceParameters):
    """Parameters of the node speaker."""

    audio_out_type: str = parameter(
        "personaplex_ros/msg/AudioFrame",
        "Message type of audio_out; as the node personaplex has it.",
        When.STARTUP,
        choices=AUDIO_TYPES,
    )
    audio_out_rate: int = parameter(
        0,
        "Sample rate of audio_common_msgs/AudioData and AudioDataStamped, which do not carry it; "
        "0 waits for the topic audio_out_info.",
        When.STARTUP,
        unit="Hz",
        minimum=0,
        maximum=192000,
    )
    audio_out_reliability: str = parameter(
        "best_effort",
        "QoS of audio_out: reliable has lost messages sent again, and hears no publisher that is "
        "best effort.",
        When.STARTUP,
        choices=("best_effort", "reliable"),
    )


MICROPHONE_TABLE = parameters_of(MicrophoneParameters)
SPEAKER_TABLE = parameters_of(SpeakerParameters)


class FixedParameters:
    """The values of a running node, none of which can be changed any more."""

    def __init__(self, parameters: DeviceParameters) -> None:
        self.parameters = parameters

    def follow_parameters(self, observer: Any) -> None:
        """Never call the observer: nothing changes."""

    def set_parameters(self, values: Mapping[str, Any]) -> None:
        """Accept what is so already; raises ParameterError for anything else."""
        present = self.parameters.as_dict()
        changed = [name for name, value in values.items() if present.get(name) != value]
        if changed:
            raise ParameterError(
                f"{', '.join(changed)}: can only be {When.STARTUP.value}; "
                "put it into the parameter file or on the command line, and start the node again"
            )
