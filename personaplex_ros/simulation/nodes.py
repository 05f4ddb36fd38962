"""Base, mux and patrol as they talk to each other: odom, nav_vel, cmd_vel and the locks."""

from __future__ import annotations

import math
from contextlib import ExitStack
from typing import Any

from personaplex_ros.mux_file import MuxConfiguration, MuxTopic
from personaplex_ros.node.hosts.bus import RELIABLE, SENSOR, Bus
from personaplex_ros.node.hosts.messages import NS_PER_S, set_header
from personaplex_ros.simulation.kinematics import (
    STILL,
    Limits,
    Pose,
    Velocity,
    advance,
    approach,
)
from personaplex_ros.simulation.mux import VelocityMux
from personaplex_ros.simulation.patrol import Patrol

TWIST = "geometry_msgs/msg/Twist"
TWIST_STAMPED = "geometry_msgs/msg/TwistStamped"
ODOMETRY = "nav_msgs/msg/Odometry"
RATE_HZ = 50.0
"""Of commands, of the base's control and of odom."""
COMMAND_TIMEOUT_S = 0.06
"""Three commands that did not come: the base stops. It is what follows a lock of the mux."""
BASE_FRAME, ODOM_FRAME = "base_link", "odom"


class VelocityTopic:
    """Reads and makes velocity messages of either type."""

    def __init__(self, bus: Bus, stamped: bool) -> None:
        self.type_name = TWIST_STAMPED if stamped else TWIST
        self._stamped = stamped
        self._bus = bus
        self._message = bus.message(self.type_name)

    def read(self, message: Any) -> Velocity:
        """Return what a message commands."""
        twist = message.twist if self._stamped else message
        return Velocity(float(twist.linear.x), float(twist.angular.z))

    def message(self, velocity: Velocity) -> Any:
        """Return a message, stamped now where its type has a header."""
        message = self._message()
        if self._stamped:
            set_header(message.header, self._bus.now_ns(), BASE_FRAME)
        twist = message.twist if self._stamped else message
        twist.linear.x, twist.angular.z = velocity.linear, velocity.angular
        return message


class MuxNode:
    """Subscribes to the inputs and locks of a configuration; forwards to cmd_vel."""

    def __init__(self, bus: Bus, configuration: MuxConfiguration) -> None:
        self._bus = bus
        self._mux = VelocityMux(configuration)
        self._open = ExitStack()
        velocity = VelocityTopic(bus, configuration.stamped)
        self._out = bus.advertise("cmd_vel", velocity.type_name, RELIABLE)
        self._open.callback(self._out.close)
        for lock in configuration.locks:
            self._lock(lock)
        for topic in configuration.inputs:
            self._input(topic, velocity.type_name)

    def _lock(self, lock: MuxTopic) -> None:
        def take(message: Any, _: str) -> None:
            self._mux.take_lock(lock.name, bool(message.data), _seconds(self._bus))

        handle = self._bus.subscribe(lock.topic, "std_msgs/msg/Bool", RELIABLE, take)
        self._open.callback(handle.close)

    def _input(self, topic: MuxTopic, type_name: str) -> None:
        def take(message: Any, _: str) -> None:
            if self._mux.forwards(topic.name, _seconds(self._bus)):
                self._out.publish(message)

        handle = self._bus.subscribe(topic.topic, type_name, RELIABLE, take)
        self._open.callback(handle.close)

    def close(self) -> None:
        """Close the topics."""
        self._open.close()


class CommandFollower:
    """Follows velocity commands within limits; without one for COMMAND_TIMEOUT_S it brakes."""

    def __init__(self, limits: Limits, now: float) -> None:
        self.velocity = STILL
        self._limits = limits
        self._command = STILL
        self._last_command = -math.inf
        self._last_step = now

    def take(self, command: Velocity, now: float) -> None:
        """Note a command."""
        self._command, self._last_command = command, now

    def step(self, now: float) -> float:
        """Bring the velocity up to `now`; return the seconds since the last step."""
        seconds, self._last_step = max(0.0, now - self._last_step), now
        stale = now - self._last_command > COMMAND_TIMEOUT_S
        command = STILL if stale else self._command
        self.velocity = approach(self.velocity, command, self._limits, seconds)
        return seconds


class BaseNode:
    """A kinematic base: follows cmd_vel within its limits, stops without it, publishes odom."""

    def __init__(self, bus: Bus, *, stamped: bool, limits: Limits | None = None) -> None:
        self._bus = bus
        self._pose = Pose()
        self._follower = CommandFollower(limits or Limits(), _seconds(bus))
        self._velocity_topic = VelocityTopic(bus, stamped)
        self._odometry = bus.message(ODOMETRY)
        self._open = ExitStack()
        self._odom = bus.advertise("odom", ODOMETRY, RELIABLE)
        self._open.callback(self._odom.close)
        commands = bus.subscribe("cmd_vel", self._velocity_topic.type_name, RELIABLE, self._take)
        self._open.callback(commands.close)
        self._open.callback(bus.every(1.0 / RATE_HZ, self._tick).close)

    def _take(self, message: Any, _: str) -> None:
        self._follower.take(self._velocity_topic.read(message), _seconds(self._bus))

    def _tick(self) -> None:
        seconds = self._follower.step(_seconds(self._bus))
        self._pose = advance(self._pose, self._follower.velocity, seconds)
        self._odom.publish(self._message())

    def _message(self) -> Any:
        message = self._odometry()
        set_header(message.header, self._bus.now_ns(), ODOM_FRAME)
        message.child_frame_id = BASE_FRAME
        pose, twist, velocity = message.pose.pose, message.twist.twist, self._follower.velocity
        pose.position.x, pose.position.y = self._pose.x, self._pose.y
        pose.orientation.z = math.sin(self._pose.heading / 2)
        pose.orientation.w = math.cos(self._pose.heading / 2)
        twist.linear.x, twist.angular.z = velocity.linear, velocity.angular
        return message

    def close(self) -> None:
        """Close the topics."""
        self._open.close()


class DriverNode:
    """Stands between cmd_vel and Gazebo's wheels, which would follow the last command for ever.

    Publishes drive (Twist) at a fixed rate: cmd_vel within the limits, braking without it.
    """

    def __init__(self, bus: Bus, *, stamped: bool, limits: Limits | None = None) -> None:
        self._bus = bus
        self._follower = CommandFollower(limits or Limits(), _seconds(bus))
        self._commands = VelocityTopic(bus, stamped)
        self._wheels = VelocityTopic(bus, stamped=False)
        self._open = ExitStack()
        self._out = bus.advertise("drive", self._wheels.type_name, RELIABLE)
        self._open.callback(self._out.close)
        commands = bus.subscribe("cmd_vel", self._commands.type_name, RELIABLE, self._take)
        self._open.callback(commands.close)
        self._open.callback(bus.every(1.0 / RATE_HZ, self._tick).close)

    def _take(self, message: Any, _: str) -> None:
        self._follower.take(self._commands.read(message), _seconds(self._bus))

    def _tick(self) -> None:
        self._follower.step(_seconds(self._bus))
        self._out.publish(self._wheels.message(self._follower.velocity))

    def close(self) -> None:
        """Close the topics."""
        self._open.close()


class PatrolNode:
    """Drives the round by odom, with commands on nav_vel; `stands` makes these commands zero."""

    def __init__(self, bus: Bus, *, stamped: bool, patrol: Patrol | None = None) -> None:
        self.stands = False
        self._patrol = patrol or Patrol()
        self._pose: Pose | None = None
        self._velocity_topic = VelocityTopic(bus, stamped)
        self._open = ExitStack()
        self._out = bus.advertise("nav_vel", self._velocity_topic.type_name, RELIABLE)
        self._open.callback(self._out.close)
        odom = bus.subscribe("odom", ODOMETRY, SENSOR, self._take)
        self._open.callback(odom.close)
        self._open.callback(bus.every(1.0 / RATE_HZ, self._tick).close)

    def _take(self, message: Any, _: str) -> None:
        self._pose = pose_of(message)

    def _tick(self) -> None:
        if self._pose is not None:
            command = STILL if self.stands else self._patrol.command(self._pose)
            self._out.publish(self._velocity_topic.message(command))

    def close(self) -> None:
        """Close the topics."""
        self._open.close()


def pose_of(odometry: Any) -> Pose:
    """Return the pose of a nav_msgs/Odometry in the plane."""
    pose = odometry.pose.pose
    q = pose.orientation
    heading = math.atan2(2.0 * (q.w * q.z + q.x * q.y), 1.0 - 2.0 * (q.y * q.y + q.z * q.z))
    return Pose(float(pose.position.x), float(pose.position.y), heading)


def _seconds(bus: Bus) -> float:
    return bus.now_ns() / NS_PER_S
