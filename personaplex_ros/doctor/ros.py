"""ROS 2 on this machine, if any, and whether its middleware and ours understand each other."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Mapping

from personaplex_ros.doctor.finding import Finding, Setup, Status
from personaplex_ros.node.hosts.environment import ZENOH

OURS = "rmw_cyclonedds_cpp"
USUAL = "rmw_fastrtps_cpp"  # what Humble to Kilted take when nothing is set


def check(setup: Setup) -> list[Finding]:
    """Look for rclpy and our message types, and at the middleware's name."""
    sourced = bool(os.environ.get("AMENT_PREFIX_PATH"))
    problem = ""
    try:
        importlib.import_module("rclpy")
    except ImportError as error:
        problem = str(error)
    built = importlib.util.find_spec("personaplex_ros.msg") is not None
    distro = os.environ.get("ROS_DISTRO", "")
    return [client(distro, sourced, problem, built), middleware(os.environ, sourced)]


def client(distro: str, sourced: bool, problem: str, built: bool) -> Finding:
    """Judge the client library: ``problem`` is why rclpy cannot be imported, or empty."""
    name = f"ROS 2 {distro}".strip()
    if problem and not sourced:
        found = "no ROS 2 in this shell; the node joins a robot's graph over Cyclone DDS"
        return Finding("ROS 2", Status.OK, found)
    if problem:
        found = f"{name} is sourced, but rclpy cannot be imported ({problem})"
        remedy = (
            f"this is Python {sys.version_info[0]}.{sys.version_info[1]}; use the Python that "
            "this ROS was built for, in an environment made so:"
        )
        command = "python3 -m venv --system-site-packages .venv"
        return Finding("ROS 2", Status.WARN, found, remedy, command)
    if not built:
        found = f"{name} with rclpy, but without the messages of personaplex_ros"
        remedy = "build the package in its workspace and source it:"
        command = "colcon build --packages-select personaplex_ros && . install/setup.bash"
        return Finding("ROS 2", Status.WARN, found, remedy, command)
    return Finding("ROS 2", Status.OK, f"{name} with rclpy and the messages of personaplex_ros")


def middleware(environment: Mapping[str, str], sourced: bool) -> Finding:
    """Judge RMW_IMPLEMENTATION: services do not cross from one vendor's to another's."""
    name = environment.get("RMW_IMPLEMENTATION", "")
    if not name and not sourced:
        found = f"robots that call the node's services over DDS need {OURS}; topics work with any"
        return Finding("Middleware", Status.OK, found)
    name = name or USUAL
    if name == OURS:
        return Finding("Middleware", Status.OK, f"{name}: topics and services cross")
    if name == ZENOH:
        found = f"{name}: all crosses; where it is set, a node without ROS speaks Zenoh, too"
        return Finding("Middleware", Status.OK, found)
    found = (
        f"{name}: topics reach a node that runs without ROS, also those that take requests "
        "(say_text, reset_request, ...); its services and actions do not"
    )
    distro = environment.get("ROS_DISTRO") or "$ROS_DISTRO"
    package = f"ros-{distro}-rmw-cyclonedds-cpp"
    remedy = f"run the node with rclpy, or set another middleware (sudo apt install {package}):"
    return Finding("Middleware", Status.WARN, found, remedy, f"export RMW_IMPLEMENTATION={OURS}")
