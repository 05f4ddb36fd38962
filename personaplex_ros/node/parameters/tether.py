"""A model that runs elsewhere, and what the robot does while it is out of reach."""

from __future__ import annotations

from dataclasses import dataclass

from personaplex_ros.node.parameters.definition import When, parameter

HOLD, RELEASE = "hold", "release"


@dataclass(frozen=True)
class TetherParameters:
    """A model that runs elsewhere, and what the robot does while it is out of reach."""

    engine: str = parameter(
        "",
        "If not empty, the server where the model runs, in place of one on this machine "
        "(checkpoint and what goes with it do not matter then); it must speak the protocol of the "
        "public Moshi and PersonaPlex servers.",
        When.STARTUP,
        pattern=r"|wss?://\S+",
        form="empty, ws://HOST:PORT or wss://HOST:PORT, with a path unless that is /api/chat",
    )
    tether_token_file: str = parameter(
        "",
        "If not empty, the file with the token that the server wants (Authorization: Bearer).",
        When.STARTUP,
    )
    tether_ca_file: str = parameter(
        "",
        "If not empty, a file of certificates (PEM) that are trusted besides the system's, for a "
        "server that has signed its own.",
        When.STARTUP,
    )
    tether_delay_max_s: float = parameter(
        0.5,
        "Longest wait of the server's speech for its turn, so that it is played evenly; no longer "
        "than this line has been seen to need.",
        When.UNCONFIGURED,
        unit="s",
        minimum=0.16,
        maximum=5.0,
    )
    tether_lost_after_s: float = parameter(
        2.0,
        "Time without the server after which the model counts as lost; it is tried on.",
        When.UNCONFIGURED,
        unit="s",
        minimum=0.5,
        maximum=60.0,
    )
    tether_lost: str = parameter(
        RELEASE,
        "What motion_hold is while the model is lost: release lets motion go on, hold pauses it.",
        When.ANY,
        choices=(RELEASE, HOLD),
    )
    tether_lost_sound: str = parameter(
        "",
        "If not empty, a sound file that the robot plays once when the model is lost, such as a "
        "sentence that asks for patience.",
        When.UNCONFIGURED,
    )
