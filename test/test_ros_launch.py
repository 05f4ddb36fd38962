"""The rclpy host and the launch file, in a sourced ROS 2 workspace that holds this package."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from dds_support import loopback

HERE = Path(__file__).resolve().parent


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
    "name", ["check_talk.py", "check_lifecycle.py", "check_fleet.py", "check_sim.py"]
)
def test_launched_node(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loopback(monkeypatch)
    # The source tree would hide the installed package, which alone has the generated messages.
    paths = [p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
    paths = [p for p in paths if Path(p).resolve() != HERE.parent]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(HERE / "ros"), *paths]),
        "ROS_LOG_DIR": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-m", "launch_testing.launch_test", str(HERE / "ros" / name)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-8000:]
