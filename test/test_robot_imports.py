"""A robot without torch and what else pip brings: what it uses of the package can be imported."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HAS = {"numpy", "yaml", "py_trees", "pydot", "pyparsing", "personaplex_ros"}
"""The packages of a robot besides Python's own and ROS's; numpy and yaml come with ROS."""
ROS = {"rclpy", "action_msgs", "rcl_interfaces"}
"""Stands here for ROS, which not every machine has: packages with every name one asks for."""

LACKS = f"package not in {HAS} | sys.stdlib_module_names"
LYRICAL = "package == 'cyclonedds'"
"""All else is there, but of that there is no wheel for Python 3.14."""

ROBOT = f"""
import sys
from importlib.machinery import ModuleSpec
from unittest.mock import MagicMock

class Robot:
    def find_spec(self, name, path=None, target=None):
        package = name.split(".")[0]
        if package in {ROS}:
            return ModuleSpec(name, self, is_package=True)
        if {LACKS}:
            raise ModuleNotFoundError(f"a robot has no {{name}}", name=name)

    def create_module(self, spec):
        return MagicMock(__path__=[], __spec__=spec)

    def exec_module(self, module):
        pass

sys.meta_path.insert(0, Robot())
"""


def on_a_robot(code: str, more: frozenset[str] = frozenset()) -> subprocess.CompletedProcess[str]:
    robot = ROBOT.replace(str(HAS), str(HAS | more))
    return subprocess.run(
        [sys.executable, "-c", robot + code], cwd=ROOT, capture_output=True, text=True
    )


def imported_by_launch_files() -> set[str]:
    """Return the modules of ours that a launch file imports, wherever in it."""
    found = set()
    for path in (ROOT / "launch").glob("*.launch.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("personaplex_ros"):
                found.add(str(node.module))
    return found


def test_a_robot_needs_no_package_of_pip():
    modules = imported_by_launch_files() | {
        "personaplex_ros.resources",
        "personaplex_ros.behaviours.tree",
        "personaplex_ros.node.ros",
        "personaplex_ros.node.ros.bus",
        "personaplex_ros.simulation.ros",
        "personaplex_ros.simulation.receptionist",
    }
    assert "personaplex_ros.mux_file" in modules
    outcome = on_a_robot("".join(f"import {module}\n" for module in sorted(modules)))
    assert outcome.returncode == 0, outcome.stderr


def test_the_nodes_of_sound_cards_need_what_reads_and_resamples_sound():
    sound = frozenset(
        (
            "soundfile",
            "soxr",
            "_soundfile",
            "_soundfile_data",
            "cffi",
            "_cffi_backend",
            "typing_extensions",
        )
    )
    outcome = on_a_robot("import personaplex_ros.node.ros.devices", sound)
    assert outcome.returncode == 0, outcome.stderr


def test_the_robot_of_this_test_has_no_torch():
    assert "a robot has no torch" in on_a_robot("import personaplex_ros.engine").stderr


def without_cyclone(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", ROBOT.replace(LACKS, LYRICAL) + code],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


def test_the_node_under_ros_needs_no_cyclone():
    outcome = without_cyclone("import personaplex_ros.node.ros.host as host; print(host.main)")
    assert outcome.returncode == 0, outcome.stderr


def test_what_joins_a_graph_without_ros_says_in_words_that_cyclone_is_missing():
    commands = ("node", "microphone", "demo", "simulate")
    code = f"from personaplex_ros.cli import main; print([main([c]) for c in {commands}])"
    outcome = without_cyclone(code)
    assert outcome.stdout.strip() == "[2, 2, 2, 2]", outcome.stderr
    assert outcome.stderr.count("the Python package cyclonedds is not installed") == 4
    assert outcome.stderr.count("as does the node under ROS 2") == 4


def test_the_doctor_looks_at_the_network_without_cyclone():
    code = """
from personaplex_ros.doctor.dds import check
print(*check(None), sep="\\n")
"""
    cyclone, network = without_cyclone(code).stdout.splitlines()
    assert "FAIL" in cyclone and "the Python package cyclonedds is not installed" in cyclone
    assert "'Network'" in network


@pytest.mark.parametrize("word", ["--help", "--version"])
def test_the_command_line_introduces_itself_on_a_robot(word):
    code = f"from personaplex_ros.cli import main; main([{word!r}])"
    outcome = on_a_robot(code)
    assert outcome.returncode == 0, outcome.stderr
    assert "personaplex" in outcome.stdout


@pytest.mark.parametrize(
    "code",
    ["from personaplex_ros.cli import main; sys.exit(main(['offline']))",
     "from personaplex_ros.node.ros import run; sys.exit(run())"],
)  # fmt: skip
def test_what_needs_more_than_a_robot_has_says_how_to_install_it(code):
    outcome = on_a_robot(code)
    assert outcome.returncode in (1, 2) and "Traceback" not in outcome.stderr, outcome.stderr
    assert "a robot has no" in outcome.stderr and "requirements.txt" in outcome.stderr
