"""Records a patrol: path, speed and holds, and writes what became of it."""

from __future__ import annotations

import json
import math
import threading
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from personaplex_ros.files import write_whole
from personaplex_ros.node.hosts.bus import LATCHED, RELIABLE, Bus
from personaplex_ros.node.hosts.messages import NS_PER_S, time_ns
from personaplex_ros.simulation.kinematics import Pose, Velocity
from personaplex_ros.simulation.nodes import ODOMETRY, pose_of
from personaplex_ros.simulation.picture import MotionPicture, draw_motion
from personaplex_ros.simulation.stops import Stop, find_stops
from personaplex_ros.timeline import state_spans

FILES = ("summary.json", "motion.png")
"""What `Track.save` writes."""
_AT_REST = 1e-6  # m/s and rad/s
_SHORTEST_STAND_S = 0.5  # a robot that turns round stands for less


@dataclass
class Motion:
    """What has come so far; times in seconds since the begin of the recording."""

    path: list[tuple[float, Pose, Velocity]] = field(default_factory=list)
    holds: list[tuple[float, bool]] = field(default_factory=list)
    onsets: list[float] = field(default_factory=list)


class Track:
    """Subscribes to odom, motion_hold and turn_event from construction on."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._lock = threading.Lock()
        self._start_ns: int | None = None
        self.motion = Motion()
        event = bus.message("personaplex_ros/msg/TurnEvent")
        self._confirmed = (event.INTERRUPTION, event.CONFIRMED)  # type: ignore[attr-defined]
        bus.subscribe("odom", ODOMETRY, RELIABLE, self._on_odom)
        bus.subscribe("motion_hold", "std_msgs/msg/Bool", LATCHED, self._on_hold)
        bus.subscribe("turn_event", "personaplex_ros/msg/TurnEvent", RELIABLE, self._on_event)

    def begin(self, start_ns: int) -> None:
        """Take `start_ns` as time 0; what came before does not count."""
        with self._lock:
            self.motion = Motion()
            self._start_ns = start_ns

    def stops(self, end_s: float) -> list[Stop]:
        """Return the stops of the first `end_s` seconds."""
        with self._lock:
            motion = self.motion
            moves = [(time_s, _moves(velocity)) for time_s, _, velocity in motion.path]
            return find_stops(sorted(motion.onsets), motion.holds, moves, end_s)

    def save(self, folder: Path, end_s: float, title: str) -> list[Path]:
        """Write summary.json and motion.png of the first `end_s` seconds; return their paths."""
        stops = self.stops(end_s)
        with self._lock:
            path = [sample for sample in self.motion.path if 0.0 <= sample[0] <= end_s]
            holds = state_spans(self.motion.holds, end_s)
        shown = MotionPicture(path, holds, stops, end_s, title)
        summary, picture = (folder / name for name in FILES)
        draw_motion(shown, picture)
        content = json.dumps(_summary(shown), indent=1) + "\n"
        write_whole(summary, lambda file: file.write_text(content, encoding="utf-8"))
        return [summary, picture]

    def _on_odom(self, message: Any, _: str) -> None:
        at = self._since_start(time_ns(message.header.stamp))
        if at is not None:
            twist = message.twist.twist
            velocity = Velocity(float(twist.linear.x), float(twist.angular.z))
            with self._lock:
                self.motion.path.append((at, pose_of(message), velocity))

    def _on_hold(self, message: Any, _: str) -> None:
        at = self._since_start(self._bus.now_ns())
        if at is not None:
            with self._lock:
                self.motion.holds.append((at, bool(message.data)))

    def _on_event(self, message: Any, _: str) -> None:
        at = self._since_start(time_ns(message.header.stamp))
        if at is not None and (message.kind, message.state) == self._confirmed:
            with self._lock:
                self.motion.onsets.append(at)

    def _since_start(self, stamp_ns: int) -> float | None:
        return None if self._start_ns is None else (stamp_ns - self._start_ns) / NS_PER_S


def _summary(motion: MotionPicture) -> dict[str, Any]:
    return {
        "stops": [
            asdict(stop)
            | {
                "onset_to_hold_s": stop.hold_s - stop.onset_s,
                "hold_to_stopped_s": stop.hold_to_stopped_s,
                "onset_to_stopped_s": stop.onset_to_stopped_s,
            }
            for stop in motion.stops
            if stop.onset_s is not None
        ],
        "holds_without_interruption": sum(stop.onset_s is None for stop in motion.stops),
        "standing_s": [
            span for span in _standing(motion) if span[1] - span[0] >= _SHORTEST_STAND_S
        ],
        "distance_m": sum(
            math.dist((before.x, before.y), (pose.x, pose.y))
            for (_, before, _), (_, pose, _) in pairwise(motion.path)
        ),
    }


def _standing(motion: MotionPicture) -> tuple[tuple[float, float], ...]:
    stands = [(time_s, not _moves(velocity)) for time_s, _, velocity in motion.path]
    return state_spans(stands, motion.end_s)


def _moves(velocity: Velocity) -> bool:
    return abs(velocity.linear) > _AT_REST or abs(velocity.angular) > _AT_REST
