"""Whether conversations are recorded, and how much of the disk that may take."""

from __future__ import annotations

from dataclasses import dataclass

from personaplex_ros.node.parameters.definition import OFF, When, parameter


@dataclass(frozen=True)
class RecordingParameters:
    """Whether conversations are recorded, and how much of the disk that may take."""

    record: str = parameter(
        OFF,
        "Where conversations are recorded, each in a folder of its own within this one: both "
        "sides' sound, words and events.",
        When.UNCONFIGURED,
        pattern=r".*\S.*",
        form="off or a folder",
    )
    record_consent: str = parameter(
        "given",
        "Whether recording waits for consent: with ask, each conversation is recorded only once "
        "~/record was called with true; with given, all until it is called with false.",
        When.UNCONFIGURED,
        choices=("given", "ask"),
    )
    record_split_s: float = parameter(
        600.0,
        "Length after which a recording goes on in another folder.",
        When.UNCONFIGURED,
        unit="s",
        minimum=10.0,
        maximum=3000.0,
    )
    record_split_mb: int = parameter(
        500,
        "Size after which a recording goes on in another folder; at most half of record_limit_mb.",
        When.UNCONFIGURED,
        unit="MB",
        minimum=5,
        maximum=4000,
    )
    record_limit_mb: int = parameter(
        10000,
        "Size of all recordings in the folder, those of other robots included, beyond which the "
        "oldest are deleted.",
        When.UNCONFIGURED,
        unit="MB",
        minimum=20,
        maximum=100000000,
    )
    record_reserve_mb: int = parameter(
        1000,
        "Free room on the disk below which nothing is recorded.",
        When.UNCONFIGURED,
        unit="MB",
        minimum=0,
        maximum=100000000,
    )
