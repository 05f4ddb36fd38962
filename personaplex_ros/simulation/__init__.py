"""A patrolling robot in place of a real one: kinematic base, velocity mux, patrol, measurement.

It stands in where Gazebo and twist_mux are not installed: no collisions, no dynamics but limits of
speed and acceleration. What it measures is timing, from a person's voice to a robot that stands.
"""
