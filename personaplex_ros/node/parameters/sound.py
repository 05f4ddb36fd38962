"""Microphone, loudspeaker and what may be missing or late of their audio."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from personaplex_ros.node.parameters.definition import When, parameter
from personaplex_ros.node.sound.streams import UDP_PATTERN
from personaplex_ros.node.sound.types import AUDIO_TYPES

_PATTERN, _FORM = r"topic|device(:.*\S.*)?|file:.*\S.*", "topic, device, device:NAME or file:PATH"
_SOURCE: dict[str, Any] = {
    "pattern": rf"{_PATTERN}|{UDP_PATTERN}",
    "form": f"{_FORM.replace(' or', ',')} or udp://ADDRESS:PORT?rate=HZ",
}


@dataclass(frozen=True)
class SoundParameters:
    """Microphone, loudspeaker and what may be missing or late of their audio."""

    audio_source: str = parameter(
        "topic",
        "Microphone: the topic audio_in, a sound card, a wave file played at real speed, or UDP "
        "packets of samples.",
        When.UNCONFIGURED,
        **_SOURCE,
    )
    audio_sink: str = parameter(
        "topic",
        "Loudspeaker: the topic audio_out only, or in addition a sound card or a wave file.",
        When.UNCONFIGURED,
        pattern=_PATTERN,
        form=_FORM,
    )
    audio_in_type: str = parameter(
        "personaplex_ros/msg/AudioFrame",
        "Message type of audio_in.",
        When.UNCONFIGURED,
        choices=AUDIO_TYPES,
    )
    audio_in_rate: int = parameter(
        0,
        "Sample rate of audio_common_msgs/AudioData and AudioDataStamped, which do not carry it; "
        "0 waits for the topic audio_in_info.",
        When.UNCONFIGURED,
        unit="Hz",
        minimum=0,
        maximum=192000,
    )
    audio_in_channels: int = parameter(
        1,
        "Number of interleaved channels that goes with audio_in_rate.",
        When.UNCONFIGURED,
        minimum=1,
        maximum=32,
    )
    audio_out_type: str = parameter(
        "personaplex_ros/msg/AudioFrame",
        "Message type of audio_out.",
        When.UNCONFIGURED,
        choices=AUDIO_TYPES,
    )
    echo_cancellation: str = parameter(
        "auto",
        "Whether the robot's own sound is taken out of the microphone; for all of it the Python "
        "package livekit must be installed. off for hardware that does it.",
        When.ANY,
        choices=("auto", "off"),
    )
    noise_suppression: bool = parameter(
        False,
        "Whether the echo canceller also takes out steady noise, for 6 ms of delay.",
        When.ANY,
    )
    high_pass: bool = parameter(
        True,
        "Whether the echo canceller also takes out what lies below speech, as of fans and motors.",
        When.ANY,
    )
    gain_control: bool = parameter(
        False,
        "Whether the echo canceller also evens out how loud people are.",
        When.ANY,
    )
    frame_id: str = parameter(
        "robot_mouth", "Coordinate frame written into published headers.", When.UNCONFIGURED
    )
    late_audio_timeout_s: float = parameter(
        0.3,
        "Wait for microphone audio, after which silence takes its place.",
        When.ANY,
        unit="s",
        minimum=0.1,
        maximum=2.0,
    )
    max_backlog_frames: int = parameter(
        5,
        "Waiting microphone frames of 80 ms beyond which the oldest are skipped.",
        When.INACTIVE,
        unit="frames",
        minimum=1,
        maximum=100,
    )
    max_gap_fill_s: float = parameter(
        0.5,
        "Longest gap in the microphone's sample index that is filled; "
        "after a longer one the stream starts afresh.",
        When.INACTIVE,
        unit="s",
        minimum=0.0,
        maximum=10.0,
    )
    lost_audio: str = parameter(
        "conceal",
        "What fills such a gap: conceal lets the sound go on and fade, silence puts zeros.",
        When.INACTIVE,
        choices=("conceal", "silence"),
    )
    network_delay_max_s: float = parameter(
        0.2,
        "Longest wait for microphone audio that other audio has overtaken; no longer than this "
        "line has been seen to need. 0 never waits.",
        When.INACTIVE,
        unit="s",
        minimum=0.0,
        maximum=2.0,
    )
    audio_in_reliability: str = parameter(
        "best_effort",
        "QoS of audio_in: reliable has lost messages sent again, and hears no publisher that is "
        "best effort.",
        When.UNCONFIGURED,
        choices=("best_effort", "reliable"),
    )
    source_timeout_s: float = parameter(
        1.0,
        "Silence of the active microphone publisher after which another one may take over.",
        When.INACTIVE,
        unit="s",
        minimum=0.1,
        maximum=60.0,
    )
