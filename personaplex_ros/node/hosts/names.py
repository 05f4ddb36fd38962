"""ROS 2 names and arguments: expansion, static remapping, ``--ros-args`` (design.ros2.org)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import yaml

from personaplex_ros.node.hosts.ros_yaml import load_yaml

Kind = Literal["topic", "service"]

_TOKEN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_URL_SCHEMES: dict[str, Kind] = {"rostopic://": "topic", "rosservice://": "service"}
_LOG_LEVELS = ("debug", "info", "warn", "error", "fatal")
_LOG_SWITCHES = {
    f"--{state}-{sink}-logs"
    for state in ("enable", "disable")
    for sink in ("rosout", "stdout", "external-lib")
}
_LOG_OPTIONS = ("--log-config-file", "--log-file-name")
_PARAMETER_OPTIONS = ("-p", "--param", "--params-file")


@dataclass(frozen=True)
class RemapRule:
    """One ``[node:]from:=to``; ``source`` may also be ``__ns``, ``__node`` or ``__name``."""

    source: str
    target: str
    node: str | None = None
    kind: Kind | None = None


@dataclass(frozen=True)
class ParameterOverride:
    """One ``-p [node:]name:=value``; the value is what YAML reads from it."""

    name: str
    value: Any
    node: str | None = None


@dataclass(frozen=True)
class RosArguments:
    """What ``--ros-args`` said; ``rest`` holds the arguments that are not ROS's.

    ``log_levels`` are pairs of a logger's name and a level; the name is empty for all loggers.
    """

    remaps: tuple[RemapRule, ...] = ()
    parameters: tuple[ParameterOverride, ...] = ()
    params_files: tuple[str, ...] = ()
    log_levels: tuple[tuple[str, str], ...] = ()
    enclave: str = "/"
    rest: tuple[str, ...] = ()


@dataclass(frozen=True)
class NodeName:
    """A node's place in the graph: ``namespace`` is absolute, without a slash at its end."""

    name: str
    namespace: str = "/"

    def __post_init__(self) -> None:
        if not _TOKEN.fullmatch(self.name):
            raise ValueError(
                f"node name {self.name!r} must be letters, digits and underscores, no digit first"
            )
        _check_absolute(self.namespace, "namespace")

    @property
    def full(self) -> str:
        """Fully qualified name, "/robot/personaplex"."""
        return _join(self.namespace, self.name)

    @property
    def logger(self) -> str:
        """Name that rclcpp and rclpy give the node's logger, "robot.personaplex"."""
        return self.full[1:].replace("/", ".")

    def log_level(self, levels: Sequence[tuple[str, str]]) -> str:
        """Return the level that counts for the node's logger: that of the nearest name, or info.

        A name stands for all loggers below it, too: "robot1" for "robot1.personaplex".
        """
        nearest, found = -1, "info"
        for name, level in levels:
            if name in ("", self.logger) or self.logger.startswith(f"{name}."):
                if len(name) >= nearest:
                    nearest, found = len(name), level
        return found


def expand(name: str, node: NodeName) -> str:
    """Return the absolute name of a relative, private ("~/x") or absolute topic or service.

    Raises ValueError naming the part that ROS does not allow.
    """
    if name == "~" or name.startswith("~/"):
        absolute = node.full + name[1:]
    elif name.startswith("/"):
        absolute = name
    else:
        absolute = _join(node.namespace, name)
    if absolute == "/":
        raise ValueError(f"topic or service name {name!r} is empty")
    _check_absolute(absolute, f"topic or service name {name!r}")
    return absolute


def remap_node(node: NodeName, rules: Sequence[RemapRule]) -> NodeName:
    """Apply the first matching ``__node`` and ``__ns`` rule."""
    name, namespace = node.name, node.namespace
    for rule in reversed([r for r in rules if r.node in (None, node.name)]):
        if rule.source in ("__node", "__name"):
            name = rule.target
        elif rule.source == "__ns":
            namespace = rule.target
    return NodeName(name, namespace)


def resolve(name: str, kind: Kind, node: NodeName, rules: Sequence[RemapRule]) -> str:
    """Expand a topic's or service's name and remap it by the first rule that matches.

    ``node`` is the node after :func:`remap_node`; both sides of a rule are expanded with it,
    as in rcl, so "audio_in:=/mic" and "~/reset:=reset" mean what they mean to ROS 2.
    """
    absolute = expand(name, node)
    for rule in rules:
        if rule.source.startswith("__") or rule.node not in (None, node.name):
            continue
        if rule.kind in (None, kind) and expand(rule.source, node) == absolute:
            return expand(rule.target, node)
    return absolute


def parse_remap(text: str) -> RemapRule:
    """Parse ``[node:]from:=to``, also with the rostopic:// and rosservice:// schemes."""
    source, separator, target = text.partition(":=")
    if not separator or not source or not target:
        raise ValueError(f"remapping {text!r} must have the form from:=to")
    for scheme, scheme_kind in _URL_SCHEMES.items():
        if source.startswith(scheme):
            return RemapRule(source[len(scheme) :], target.removeprefix(scheme), kind=scheme_kind)
    node, source = _split_node(source)
    return RemapRule(source, target, node)


def parse_parameter(text: str) -> ParameterOverride:
    """Parse ``[node:]name:=value`` with a YAML value."""
    source, separator, value = text.partition(":=")
    if not separator or not source:
        raise ValueError(f"parameter {text!r} must have the form name:=value")
    try:
        parsed = load_yaml(value)
    except yaml.YAMLError as error:
        raise ValueError(f"the value of parameter {text!r} is not YAML: {error}") from error
    node, name = _split_node(source)
    return ParameterOverride(name, "" if parsed is None else parsed, node)


def without_parameters(arguments: Sequence[str]) -> list[str]:
    """Return a command line without what it says about parameters, for one that was parsed."""
    kept: list[str] = []
    inside = False
    pending = iter(arguments)
    for argument in pending:
        inside = argument != "--" if inside else argument == "--ros-args"
        if inside and argument in _PARAMETER_OPTIONS:
            next(pending)
        else:
            kept.append(argument)
    return kept


def parse_ros_arguments(arguments: Sequence[str]) -> RosArguments:
    """Split a command line: what stands between ``--ros-args`` and ``--`` (or the end) is ROS's.

    Raises ValueError naming an argument that is unknown or lacks its value.
    """
    remaps: list[RemapRule] = []
    parameters: list[ParameterOverride] = []
    files: list[str] = []
    rest: list[str] = []
    levels: list[tuple[str, str]] = []
    enclave = "/"
    pending = iter(arguments)
    inside = False
    for argument in pending:
        if not inside or argument == "--ros-args":
            inside = inside or argument == "--ros-args"
            if argument != "--ros-args":
                rest.append(argument)
        elif argument == "--":
            inside = False
        elif argument in ("-r", "--remap"):
            remaps.append(parse_remap(_value(argument, pending)))
        elif argument in ("-p", "--param"):
            parameters.append(parse_parameter(_value(argument, pending)))
        elif argument == "--params-file":
            files.append(_value(argument, pending))
        elif argument == "--log-level":
            levels.append(_log_level(_value(argument, pending)))
        elif argument in ("-e", "--enclave"):
            enclave = _value(argument, pending)
            _check_absolute(enclave, "enclave")
        elif argument in _LOG_OPTIONS:
            _value(argument, pending)  # files of rcl's own logging
        elif argument not in _LOG_SWITCHES:
            raise ValueError(
                f"unknown ROS argument {argument!r}; known are -r, -p, --params-file, "
                "--log-level and --enclave (end ROS arguments with --)"
            )
    return RosArguments(
        tuple(remaps), tuple(parameters), tuple(files), tuple(levels), enclave, tuple(rest)
    )


def _value(argument: str, pending: Any) -> str:
    value = next(pending, None)
    if value is None:
        raise ValueError(f"ROS argument {argument!r} needs a value")
    return str(value)


def _log_level(text: str) -> tuple[str, str]:
    name, _, level = text.rpartition(":=")
    if level.lower() not in _LOG_LEVELS:
        raise ValueError(f"log level {text!r} is unknown; known are {', '.join(_LOG_LEVELS)}")
    return name, level.lower()


def _split_node(source: str) -> tuple[str | None, str]:
    node, separator, name = source.partition(":")
    return (node, name) if separator else (None, source)


def _join(namespace: str, name: str) -> str:
    return f"{namespace.rstrip('/')}/{name}"


def _check_absolute(name: str, what: str) -> None:
    tokens = name[1:].split("/") if name != "/" else []
    if not name.startswith("/") or not all(_TOKEN.fullmatch(token) for token in tokens):
        raise ValueError(
            f"{what}: {name!r} is not a ROS name; it must begin with a slash, have no slash at "
            "its end, and its parts must be letters, digits and underscores, no digit first"
        )
