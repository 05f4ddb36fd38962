"""A patrolling robot in place of a real one: kinematic base, velocity mux, patrol, measurement.

It stands in where Gazebo and twist_mux are not installed: no collisions, no dynamics but limits of
speed and acceleration. What it measures is timing, from a person's voice to a robot that stands.
"""

from personaplex_ros.simulation.kinematics import STILL, Limits, Pose, Velocity, advance, approach
from personaplex_ros.simulation.microphone import MicrophoneNode
from personaplex_ros.simulation.mux import VelocityMux
from personaplex_ros.simulation.nodes import BaseNode, DriverNode, MuxNode, PatrolNode
from personaplex_ros.simulation.patrol import ROUND, Patrol, steer
from personaplex_ros.simulation.picture import draw_motion
from personaplex_ros.simulation.stops import Stop, find_stops
from personaplex_ros.simulation.track import Track

__all__ = [
    "ROUND",
    "STILL",
    "BaseNode",
    "DriverNode",
    "Limits",
    "MicrophoneNode",
    "MuxNode",
    "Patrol",
    "PatrolNode",
    "Pose",
    "Stop",
    "Track",
    "Velocity",
    "VelocityMux",
    "advance",
    "approach",
    "draw_motion",
    "find_stops",
    "steer",
]
