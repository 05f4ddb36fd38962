"""What the launch files make of their arguments; a launch file cannot import another one.

It runs in the Python of `ros2 launch`, which may have nothing but ROS and PyYAML.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from personaplex_ros.node.hosts.ending import CANNOT_START

PACKAGE = "personaplex_ros"
_SWITCH = {"true": True, "1": True, "false": False, "0": False}


def switch(given: Mapping[str, str], name: str) -> bool:
    """Return a yes or no argument, written as in YAML or in Python; raises ValueError."""
    try:
        return _SWITCH[given[name].lower()]
    except KeyError:
        raise ValueError(
            f"{name}:={given[name]} is not possible; it must be true or false"
        ) from None


def seconds(given: Mapping[str, str], name: str) -> float:
    """Return an argument that is a time, s; raises ValueError."""
    try:
        value = float(given[name])
    except ValueError:
        value = -1.0
    if not 0.0 <= value < float("inf"):
        raise ValueError(f"{name}:={given[name]} is not possible; it must be a number of seconds")
    return value


def existing_file(given: Mapping[str, str], name: str) -> str:
    """Return the file that an argument names, ~ and variables expanded; raises ValueError."""
    path = _expanded(given[name])
    if not path.is_file():
        raise ValueError(f"{name}:={given[name]}: there is no file {path}")
    return str(path)


def program(given: Mapping[str, str], name: str, words: list[str]) -> dict[str, Any]:
    """Return which of our scripts is to be run, as keyword arguments of launch_ros's Node.

    The argument `python` names its interpreter, ~ and variables expanded; without one it is that
    of the shell. Raises ValueError.
    """
    if not given["python"]:
        return {"package": PACKAGE, "executable": name, "arguments": words}
    path = _expanded(given["python"])
    if not path.is_file() or not os.access(path, os.X_OK):
        raise ValueError(
            f"python:={given['python']}: there is no program {path}; give the interpreter of a "
            "virtual environment, such as python:=~/personaplex_venv/bin/python"
        )
    from ament_index_python.packages import get_package_prefix

    script = Path(get_package_prefix(PACKAGE)) / "lib" / PACKAGE / name
    return {"executable": str(path), "arguments": [str(script), *words], "exec_name": name}


def ending_with(process: str) -> Callable[[Any, Any], None]:
    """Return a launch process's `on_exit` that ends the launch when the process cannot start."""

    def ended(event: Any, context: Any) -> None:
        if event.returncode == CANNOT_START and not context.is_shutdown:
            raise RuntimeError(f"{process} could not start; its output above says why")

    return ended


def _expanded(text: str) -> Path:
    return Path(os.path.expandvars(text)).expanduser().absolute()
