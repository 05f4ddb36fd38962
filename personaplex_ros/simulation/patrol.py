"""A receptionist's round: drive from place to place, for ever."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from personaplex_ros.simulation.kinematics import Limits, Pose, Velocity

ROUND = ((2.0, 0.0), (2.0, 1.0), (0.0, 1.0), (0.0, 0.0))
"""The corners of the default round, in metres."""
REACHED_M = 0.05
TURN_FIRST_RAD = 0.4  # what lies further to the side is turned to on the spot
TURN_GAIN = 3.0  # 1/s
SLOW_DOWN = 1.5  # 1/s; speed per metre left to the place
CREEP = 0.03  # m/s


def steer(pose: Pose, place: tuple[float, float], limits: Limits) -> Velocity:
    """Return the velocity that leads from a pose to a place [x, y] in metres."""
    dx, dy = place[0] - pose.x, place[1] - pose.y
    side = math.remainder(math.atan2(dy, dx) - pose.heading, math.tau)
    turn = max(-limits.angular_speed, min(limits.angular_speed, TURN_GAIN * side))
    if abs(side) > TURN_FIRST_RAD:
        return Velocity(0.0, turn)
    speed = min(limits.linear_speed, CREEP + SLOW_DOWN * math.hypot(dx, dy))
    return Velocity(speed * math.cos(side), turn)


@dataclass
class Patrol:
    """Where the robot goes next; `visited` counts the places it has reached."""

    places: Sequence[tuple[float, float]] = ROUND
    limits: Limits = field(default_factory=Limits)
    visited: int = 0

    def __post_init__(self) -> None:
        if not self.places:
            raise ValueError("a patrol needs at least one place [x, y]")

    def command(self, pose: Pose) -> Velocity:
        """Return the velocity for now."""
        place = self._next
        if math.hypot(place[0] - pose.x, place[1] - pose.y) < REACHED_M:
            self.visited += 1
        return steer(pose, self._next, self.limits)

    @property
    def _next(self) -> tuple[float, float]:
        return self.places[self.visited % len(self.places)]
