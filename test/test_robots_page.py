"""What docs/robots.md and config/ give to robots can be read by those it is for."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import py_trees
import pytest
import yaml

from personaplex_ros.node.parameters.table import PARAMETERS, Parameters

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "robots.md").read_text(encoding="utf-8")
# Nodes that Nav2 registers itself, and BehaviorTree.CPP's Sequence: docs.nav2.org, "Behavior Tree
# XML Nodes" (Rolling), with the ports that the tree uses.
STOCK = {
    "PauseResumeController": {"pause_service_name", "resume_service_name"},
    "RecoveryNode": {"number_of_retries"},
    "PipelineSequence": set(),
    "RateController": {"hz"},
    "ComputePathToPose": {"goal", "path", "planner_id"},
    "FollowPath": {"path", "controller_id"},
    "ClearEntireCostmap": {"service_name"},
    "Wait": {"wait_duration"},
    "Sequence": set(),
}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def parameters(text: str) -> dict[str, Any]:
    """Return node -> parameters of a ROS parameter file."""
    content = yaml.safe_load(text)
    assert all(set(node) == {"ros__parameters"} for node in content.values())
    return {name: node["ros__parameters"] for name, node in content.items()}


def test_every_parameter_file_on_the_page_is_complete():
    files = [parameters(text) for text in blocks("yaml")]
    assert len(files) == 6 and all(all(values for values in file.values()) for file in files)


def test_our_parameters_on_the_page_exist_and_are_accepted():
    ours: dict[str, Any] = {}
    for text in blocks("yaml"):
        ours |= parameters(text).get("/**", {})
    Parameters.of(ours)
    names = {parameter.name for parameter in PARAMETERS}
    told = {n for n in names if n.startswith(("speed_scaling", "nav2_", "human_voice"))}
    assert set(ours) == told


def test_the_python_on_the_page_runs():
    (code,) = blocks("python")
    scope: dict[str, Any] = {}
    exec(code, scope)
    assert isinstance(scope["root"], py_trees.behaviour.Behaviour)


def test_the_files_that_the_page_names_exist():
    links = re.findall(r"\]\(([^)#]+)\)", PAGE)
    assert len(links) >= 3
    for link in links:
        assert (ROOT / "docs" / link).resolve().is_file(), link


def test_nav2s_tree_has_only_stock_nodes_with_their_ports():
    root = ElementTree.parse(ROOT / "config/behavior_trees/navigate_and_pause.xml").getroot()
    assert root.attrib["BTCPP_format"] == "4"
    (tree,) = root
    assert tree.attrib["ID"] == root.attrib["main_tree_to_execute"]
    for node in tree.iter():
        if node is not tree:
            assert set(node.attrib) - {"name"} <= STOCK[node.tag], node.tag
    (controller,) = tree
    assert len(controller) == 1, "the child that is ticked while not paused"


def test_the_page_and_the_tree_name_the_same_services():
    root = ElementTree.parse(ROOT / "config/behavior_trees/navigate_and_pause.xml").getroot()
    (controller,) = root.iter("PauseResumeController")
    ours = next(p for p in map(parameters, blocks("yaml")) if "nav2_pause_service" in str(p))["/**"]
    assert controller.attrib["pause_service_name"] == ours["nav2_pause_service"]
    assert controller.attrib["resume_service_name"] == ours["nav2_resume_service"]


@pytest.mark.parametrize("name", ["lobby.sdf", "receptionist.sdf"])
def test_gazebos_files_are_whole(name):
    root = ElementTree.parse(ROOT / "config" / "simulation" / name).getroot()
    assert root.tag == "sdf"
    for joint in root.iter("joint"):
        links = {link.attrib["name"] for link in root.iter("link")}
        assert {joint.findtext("parent"), joint.findtext("child")} <= links


def test_wheels_bridge_and_driver_speak_of_the_same_topics():
    root = ElementTree.parse(ROOT / "config/simulation/receptionist.sdf").getroot()
    (drive,) = root.iter("plugin")
    bridged = {
        entry["gz_topic_name"]: entry
        for entry in yaml.safe_load((ROOT / "config/simulation/bridge.yaml").read_text())
    }
    assert bridged[drive.findtext("topic")]["direction"] == "ROS_TO_GZ"
    assert bridged[drive.findtext("odom_topic")]["direction"] == "GZ_TO_ROS"
    wheels = [
        [float(x) for x in link.findtext("pose").split()]
        for link in root.iter("link")
        if "wheel" in link.attrib["name"]
    ]
    separation = float(drive.findtext("wheel_separation"))
    assert abs(wheels[0][1] - wheels[1][1]) == pytest.approx(separation)
    radius = float(drive.findtext("wheel_radius"))
    assert all(wheel[2] == pytest.approx(radius) for wheel in wheels), "they stand on the floor"


def test_the_mux_s_file_is_read_without_packages_of_the_virtual_environment() -> None:
    # `ros2 launch` runs in ROS's own Python, which does not see what pip installed for the node.
    code = (
        "import sys\n"
        "for name in ('numpy', 'torch', 'soxr', 'soundfile', 'matplotlib', 'cyclonedds'):\n"
        "    sys.modules[name] = None\n"
        "from personaplex_ros.mux_file import read_mux_file\n"
        "print(read_mux_file('config/twist_mux.yaml').stamped)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert said.stdout == "True\n"
