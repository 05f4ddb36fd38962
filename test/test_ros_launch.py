"""The rclpy host and the launch file, in a sourced ROS 2 workspace that holds this package."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from dds_support import loopback
from pulse_support import needs_pulse

HERE = Path(__file__).resolve().parent
ROS2 = "import sys, ros2cli.cli; sys.exit(ros2cli.cli.main())"


def missing() -> str:
    """Say why the tests cannot run; empty when they can."""
    if importlib.util.find_spec("rclpy") is None:
        return "rclpy is not found: source a ROS 2 installation"
    prefixes = [Path(p) for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    index = Path("share/ament_index/resource_index/packages/personaplex_ros")
    if not any((prefix / index).is_file() for prefix in prefixes):
        return "personaplex_ros is not in this workspace: build it with colcon and source it"
    return ""


pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())


@pytest.mark.parametrize(
    "name",
    ["check_talk.py", "check_lifecycle.py", "check_fleet.py", "check_respawn.py", "check_sim.py"],
)
def test_launched_node(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check = str(HERE / "ros" / name)
    done = run(["-m", "launch_testing.launch_test", check], tmp_path, monkeypatch)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-8000:]


@needs_pulse
def test_launched_sound_cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERSONAPLEX_TESTS", str(HERE))
    check = str(HERE / "ros" / "check_sound.py")
    done = run(["-m", "launch_testing.launch_test", check], tmp_path, monkeypatch)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-8000:]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["respawn:=false", "microphone:=none", "speaker:=nowhere"], "no loudspeaker"),
        (["microphone:=none", "speaker:=none"], "leave nothing to start"),
    ],
)
def test_a_launch_of_sound_cards_that_cannot_be_says_why(
    arguments: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launch = ["-c", ROS2, "launch", "personaplex_ros", "sound.launch.py", *arguments]
    done = run(launch, tmp_path, monkeypatch)
    assert done.returncode == 1, done.stdout + done.stderr
    assert told in done.stdout + done.stderr and "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["params_file:={folder}/p.yaml"], "under /**: hold_timeout_s is 'long' of type str"),
        (["params_file:={folder}/none.yaml"], "none.yaml: there is no file"),
        (["robots:=a,b", "params_file:={folder}/p.yaml"], "it must be float"),
        (["robots:=a,a"], "/a comes twice"),
        (["namespace:=1st"], "'/1st' is not a ROS name"),
        (["autostart:=maybe"], "autostart:=maybe is not possible; it must be true or false"),
        (["python:=~/nowhere/python"], "there is no program"),
        (["python:={folder}/bare"], "the Python package"),
    ],
)
def test_a_launch_that_cannot_be_ends_and_says_why(
    arguments: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "p.yaml").write_text("/**: {ros__parameters: {hold_timeout_s: long}}")
    bare = tmp_path / "bare"
    bare.write_text(f'#!/bin/sh\nPYTHONPATH={HERE.parent} exec {sys.executable} -S "$@"\n')
    bare.chmod(0o755)
    words = [argument.format(folder=tmp_path) for argument in arguments]
    launch = ["-c", ROS2, "launch", "personaplex_ros", "talk.launch.py", *words]
    done = run(launch, tmp_path, monkeypatch)
    assert done.returncode == 1, done.stdout + done.stderr
    assert told in done.stdout + done.stderr and "Traceback" not in done.stdout + done.stderr


def run(
    words: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> subprocess.CompletedProcess[str]:
    """Run Python in `folder` with the installed package."""
    loopback(monkeypatch)
    # The source tree would hide the installed package, which alone has the generated messages.
    paths = [p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
    paths = [p for p in paths if Path(p).resolve() != HERE.parent]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(HERE / "ros"), *paths]),
        "ROS_LOG_DIR": str(folder),
    }
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
