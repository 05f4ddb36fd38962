"""What every middleware reads of ROS 2's environment."""

from __future__ import annotations

from collections.abc import Mapping

MAX_DOMAIN_ID = 232
RMW, ZENOH = "RMW_IMPLEMENTATION", "rmw_zenoh_cpp"
ZENOH_FILE, ZENOH_OVERRIDE = "ZENOH_SESSION_CONFIG_URI", "ZENOH_CONFIG_OVERRIDE"
"""Variables of rmw_zenoh that configure a session."""


def domain_id(environment: Mapping[str, str]) -> int:
    """Return ROS_DOMAIN_ID; ValueError if it is no domain."""
    text = environment.get("ROS_DOMAIN_ID", "") or "0"
    if not text.isdecimal() or int(text) > MAX_DOMAIN_ID:
        raise ValueError(f"ROS_DOMAIN_ID is {text!r}; it must be a number from 0 to 232")
    return int(text)


def speaks_zenoh(environment: Mapping[str, str]) -> bool:
    """Tell whether the environment asks for rmw_zenoh's protocol; it is DDS otherwise."""
    return environment.get(RMW, "") == ZENOH


def refuse_security(environment: Mapping[str, str], reason: str) -> None:
    """Join no graph without the security that is asked for: ValueError with the reason."""
    enforced = environment.get("ROS_SECURITY_STRATEGY", "") == "Enforce"
    if environment.get("ROS_SECURITY_ENABLE", "").lower() == "true" and enforced:
        raise ValueError(
            "ROS_SECURITY_STRATEGY is 'Enforce', but without ROS this node cannot join a secured "
            f"graph: {reason}. Start it under ROS 2 (ros2 launch personaplex_ros talk.launch.py), "
            "see docs/security.md"
        )
