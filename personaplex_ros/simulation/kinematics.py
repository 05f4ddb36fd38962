"""A unicycle: a robot that drives along its heading and turns."""

from __future__ import annotations

import math
from dataclasses import dataclass

_STRAIGHT = 1e-9  # rad/s; what turns slower goes straight


@dataclass(frozen=True)
class Pose:
    """Place in metres and heading in radians, counterclockwise from x (REP-103)."""

    x: float = 0.0
    y: float = 0.0
    heading: float = 0.0


@dataclass(frozen=True)
class Velocity:
    """Forward speed in m/s and turning rate in rad/s."""

    linear: float = 0.0
    angular: float = 0.0


STILL = Velocity()


@dataclass(frozen=True)
class Limits:
    """What the base can do: speeds in m/s and rad/s, accelerations and braking per second.

    The defaults are a small indoor robot at walking pace that brakes harder than it starts.
    """

    linear_speed: float = 0.22
    angular_speed: float = 1.0
    linear_acceleration: float = 0.5
    linear_braking: float = 3.0
    angular_acceleration: float = 3.0
    angular_braking: float = 15.0


def advance(pose: Pose, velocity: Velocity, seconds: float) -> Pose:
    """Return where the robot is after driving an arc of constant velocity, exactly."""
    turned = velocity.angular * seconds
    heading = pose.heading + turned
    if abs(velocity.angular) < _STRAIGHT:
        forward = velocity.linear * seconds
        x = pose.x + forward * math.cos(pose.heading)
        y = pose.y + forward * math.sin(pose.heading)
    else:
        radius = velocity.linear / velocity.angular
        x = pose.x + radius * (math.sin(heading) - math.sin(pose.heading))
        y = pose.y - radius * (math.cos(heading) - math.cos(pose.heading))
    return Pose(x, y, math.remainder(heading, math.tau))


def approach(velocity: Velocity, command: Velocity, limits: Limits, seconds: float) -> Velocity:
    """Return the velocity after `seconds` of following `command` within the limits."""
    return Velocity(
        _towards(
            velocity.linear,
            _clip(command.linear, limits.linear_speed),
            limits.linear_acceleration * seconds,
            limits.linear_braking * seconds,
        ),
        _towards(
            velocity.angular,
            _clip(command.angular, limits.angular_speed),
            limits.angular_acceleration * seconds,
            limits.angular_braking * seconds,
        ),
    )


def _towards(value: float, target: float, faster: float, slower: float) -> float:
    """Move by `slower` as far as zero, by `faster` away from it."""
    if value * target < 0.0:  # first to a stand; what is left of the time is not used
        target = 0.0
    change = slower if abs(target) < abs(value) else faster
    return value + _clip(target - value, change)


def _clip(value: float, limit: float) -> float:
    return max(-limit, min(limit, value))
