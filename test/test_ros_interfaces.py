"""A robot that only listens builds the messages alone: -DINTERFACES_ONLY=ON."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROS2 = shutil.which("ros2")
USED = """
import importlib.util
from personaplex_ros.action import Say
from personaplex_ros.msg import AudioFrame, TextToken, TurnEvent, UserUtterance, Utterance
from personaplex_ros.srv import SetPersona
Say.Goal(text="hello"), AudioFrame(), TextToken(), TurnEvent(), Utterance(), SetPersona.Request()
assert UserUtterance(text="hello").final is False
assert importlib.util.find_spec("personaplex_ros.node") is None
"""


@pytest.mark.long
@pytest.mark.skipif(
    not (ROS2 and shutil.which("cmake")), reason="no ros2 or no cmake found: source ROS 2"
)
def test_interfaces_alone_are_built_and_installed(tmp_path: Path) -> None:
    assert ROS2 is not None
    python = Path(ROS2).read_text().splitlines()[0].removeprefix("#!")  # the one with empy
    build, prefix = tmp_path / "build", tmp_path / "install"
    run("cmake", "-S", ROOT, "-B", build, "-DINTERFACES_ONLY=ON",
        f"-DCMAKE_INSTALL_PREFIX={prefix}", f"-DPython3_EXECUTABLE={python}")  # fmt: skip
    run("cmake", "--build", build, "--target", "install")

    share = prefix / "share" / "personaplex_ros"
    assert not [name for name in ("config", "launch", "checkpoints") if (share / name).exists()]
    assert not (prefix / "lib" / "personaplex_ros").exists()
    (package,) = prefix.glob("**/*-packages/personaplex_ros")
    libraries = os.pathsep.join([str(prefix / "lib"), os.environ.get("LD_LIBRARY_PATH", "")])
    paths = os.pathsep.join([str(package.parent), os.environ.get("PYTHONPATH", "")])
    run(python, "-c", USED, LD_LIBRARY_PATH=libraries, PYTHONPATH=paths)


def run(*command: str | Path, **environment: str) -> None:
    done = subprocess.run(
        command, cwd="/",  # where Python finds no source tree
        env={**os.environ, **environment}, capture_output=True, text=True, timeout=500,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
