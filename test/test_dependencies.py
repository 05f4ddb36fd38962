"""Everything imported is declared, and all lists of dependencies say the same."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from personaplex_ros import __version__
from personaplex_ros.doctor.system import NEWEST, OLDEST
from personaplex_ros.optional import CYCLONE, WITHOUT_CYCLONE_WHEELS, without_cyclone

ROOT = Path(__file__).parent.parent
PACKAGE_XML = ElementTree.parse(ROOT / "package.xml").getroot()

APT_KEYS = {
    "python3-matplotlib", "python3-numpy", "python3-psutil", "python3-pytest", "python3-soundfile",
    "python3-tqdm", "python3-yaml",
}  # fmt: skip
PIP_KEYS = {
    "python3-huggingface-hub-pip", "python3-onnxruntime-pip", "python3-pytorch-pip",
    "python3-rosbags-pip",
    "python3-silero-vad-pip", "python3-sounddevice-pip",
}  # fmt: skip
"""Keys of rosdep (rosdistro's rosdep/python.yaml) that Ubuntu 22.04 and 24.04 both have."""
DISTRIBUTIONS = {
    "python3-huggingface-hub-pip": "huggingface-hub",
    "python3-pytorch-pip": "torch",
    "python3-yaml": "pyyaml",
}
"""What PyPI calls a key whose name does not say so."""
UNTOLD = {"zenoh": "eclipse-zenoh"}
"""What PyPI calls a module whose package does not say so to Python 3.10."""
ROS_PACKAGES = {
    "action_msgs", "ament_cmake", "ament_cmake_pytest", "ament_cmake_python", "ament_index_python",
    "builtin_interfaces", "diagnostic_msgs", "geometry_msgs", "launch", "launch_ros",
    "launch_testing", "lifecycle_msgs", "nav_msgs", "rcl_interfaces", "rclpy",
    "rosidl_default_generators", "rosidl_default_runtime", "std_msgs", "std_srvs",
}  # fmt: skip
"""Packages of Humble and Jazzy."""
WITH_TORCH = {"triton"}


def declared(*kinds: str) -> dict[str, str | None]:
    """Return what package.xml asks for, with the conditions; all kinds if none is named."""
    found = [e for e in PACKAGE_XML if e.tag.endswith("depend") and (not kinds or e.tag in kinds)]
    return {str(element.text): element.get("condition") for element in found}


def plain(requirement: str) -> str:
    """Return the name in a requirement as PyPI normalises it."""
    found = re.match(r"[\w.-]+", requirement)
    assert found is not None
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def setup(argument: str) -> Any:
    """Return the value of an argument in setup.py."""
    for node in ast.walk(ast.parse((ROOT / "setup.py").read_text())):
        if isinstance(node, ast.keyword) and node.arg == argument:
            return ast.literal_eval(node.value)
    raise KeyError(argument)


def pinned(file: str) -> dict[str, tuple[int, ...]]:
    """Return the versions in a file of requirements; the least, where Python's own decides."""
    found: dict[str, tuple[int, ...]] = {}
    for line in (ROOT / file).read_text().splitlines():
        requirement = line.partition(";")[0]
        if "==" in requirement:
            version = numbers(requirement.partition("==")[2])
            found[plain(line)] = min(version, found.get(plain(line), version))
    return found


def numbers(version: str) -> tuple[int, ...]:
    return Version(version.partition(";")[0]).release


def left_out(requirements: Iterable[str], python: str) -> set[str]:
    """Return what is not asked for on a version of Python; the packages that are, are met once."""
    met: dict[str, int] = {}
    for requirement in map(Requirement, requirements):
        wanted = not requirement.marker or requirement.marker.evaluate({"python_version": python})
        met[plain(requirement.name)] = met.get(plain(requirement.name), 0) + wanted
    assert set(met.values()) <= {0, 1}, met
    return {name for name, times in met.items() if not times}


def documented() -> list[set[str]]:
    """Return the packages in each table of docs/dependencies.md."""
    tables: list[set[str]] = []
    text = (ROOT / "docs" / "dependencies.md").read_text().partition("## Versions of Python")[0]
    for line in text.splitlines():
        if line.startswith("| package"):
            tables.append(set())
        elif line.startswith("| "):
            tables[-1].add(plain(line.split("|")[1].strip()))
    return tables


def imported(*folders: str) -> Iterator[str]:
    """Return what Python files import, by top-level name."""
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from (alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level:
                yield str(node.module).split(".")[0]


def test_the_lists_of_packages_agree() -> None:
    runtime, training, behaviours, zenoh, echo, serve, tether, fleet = documented()
    extras = setup("extras_require")
    assert runtime - WITH_TORCH == set(pinned("requirements.txt"))
    assert runtime - WITH_TORCH == {plain(r) for r in setup("install_requires")}
    assert training == set(pinned("requirements-training.txt"))
    assert training == {plain(r) for r in extras["training"]}
    assert behaviours == {plain(r) for r in extras["behaviours"]}
    assert zenoh == {plain(r) for r in extras["zenoh"]}
    assert echo == {plain(r) for r in extras["echo"]}
    assert serve == {plain(r) for r in extras["serve"]}
    assert tether == {plain(r) for r in extras["tether"]}
    assert fleet == {plain(r) for r in extras["fleet"]}
    assert fleet == set(pinned("requirements-fleet.txt")) | serve
    without_torch = (ROOT / "requirements-tether.txt").read_text().splitlines()
    beside = [line for line in without_torch if "==" in line and plain(line) not in tether]
    assert set(beside) <= set((ROOT / "requirements.txt").read_text().splitlines())
    assert tether <= set(pinned("requirements-tether.txt"))


def test_pinned_versions_are_allowed_by_setup() -> None:
    versions = pinned("requirements.txt") | pinned("requirements-training.txt")
    for requirement in setup("install_requires") + setup("extras_require")["training"]:
        assert versions[plain(requirement)] >= numbers(requirement.partition(">=")[2]), requirement


def test_what_the_package_imports_is_required() -> None:
    tables = documented()
    ours = set(imported("personaplex_ros", "launch")) - set(sys.stdlib_module_names)
    others = ours - {"personaplex_ros"} - ROS_PACKAGES
    names = packages_distributions()
    assert {
        plain(names.get(module, [UNTOLD.get(module, module)])[0]) for module in others
    } <= set.union(*tables)


def test_package_xml_names_only_keys_that_exist() -> None:
    conditions = declared()
    assert set(conditions) == APT_KEYS | PIP_KEYS | ROS_PACKAGES
    assert {key for key, condition in conditions.items() if condition} == PIP_KEYS
    assert {conditions[key] for key in PIP_KEYS} == {"$PERSONAPLEX_PIP == 1"}


def test_the_document_tells_which_packages_rosdep_brings() -> None:
    text = (ROOT / "docs" / "dependencies.md").read_text()
    told = text.partition("rosdep installs")[2].partition("\n\n")[0]
    by_apt, by_pip, without = (
        {plain(name) for name in re.findall(r"`([\w-]+)`", part)}
        for part in re.split(r"with pip|no key", told)
    )
    keys = declared("exec_depend", "depend")
    names = {k: DISTRIBUTIONS.get(k, re.sub("^python3-|-pip$", "", k)) for k in keys}
    assert by_apt == {names[key] for key in APT_KEYS & set(keys)}
    assert by_pip == {names[key] for key in PIP_KEYS}
    assert by_apt | by_pip | without == set(pinned("requirements.txt"))


def test_what_is_imported_of_ros_is_in_package_xml() -> None:
    packages = set(imported("personaplex_ros", "launch")) & ROS_PACKAGES
    assert packages <= set(declared("depend", "exec_depend"))
    assert set(imported("test/ros")) & ROS_PACKAGES <= set(declared())


def test_one_version() -> None:
    assert PACKAGE_XML.findtext("version") == __version__


def written(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def test_all_places_name_the_same_versions_of_python() -> None:
    supported = [(3, minor) for minor in range(OLDEST[1], NEWEST[1] + 1)]
    names = "Programming Language :: Python :: "
    stated = {c.removeprefix(names) for c in setup("classifiers") if c.startswith(names)}
    assert stated == set(map(written, supported))
    for version in supported:
        assert SpecifierSet(setup("python_requires")).contains(written(version)), version
    assert not SpecifierSet(setup("python_requires")).contains(f"3.{OLDEST[1] - 1}")
    text = (ROOT / "pyproject.toml").read_text()
    assert f'target-version = "py{OLDEST[0]}{OLDEST[1]}"' in text
    assert f"sys.version_info < {OLDEST}" in (ROOT / "scripts" / "setup_venv.sh").read_text()
    table = (ROOT / "docs" / "dependencies.md").read_text().partition("| Python |")[2]
    rows = re.findall(r"^\| (3\.\d+) \|", table, re.MULTILINE)
    assert rows == list(map(written, supported))


def test_what_a_version_of_python_lacks_is_left_out_there_and_told() -> None:
    """Nothing but Cyclone DDS, for which the README names the versions of Python that have it."""
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    pins = [line for line in lines if "==" in line]
    for minor in range(OLDEST[1], NEWEST[1] + 1):
        lacking = {CYCLONE} if (3, minor) >= WITHOUT_CYCLONE_WHEELS else set()
        assert left_out(pins, f"3.{minor}") == lacking
        assert left_out(setup("install_requires"), f"3.{minor}") == lacking
    last = written((3, WITHOUT_CYCLONE_WHEELS[1] - 1))
    assert f"Python {written(OLDEST)} to {last}" in (ROOT / "README.md").read_text()
    assert f"Python {written(OLDEST)} to {last}" in without_cyclone((3, 14))
