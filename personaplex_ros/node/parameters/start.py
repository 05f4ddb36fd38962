"""What parameters a node starts with: from parameter files, then from single -p arguments.

Both hosts take them from here and not from rcl, so that they agree on what is taken and refused.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from personaplex_ros.node.hosts.bus import LogLevel
from personaplex_ros.node.hosts.names import NodeName, RosArguments
from personaplex_ros.node.parameters.definition import Parameter, ParameterError, Value, known
from personaplex_ros.node.parameters.files import Section, matches, read_parameter_file
from personaplex_ros.node.parameters.table import PARAMETERS, Parameters

USE_SIM_TIME = "use_sim_time"
_OF_EVERY_NODE = (USE_SIM_TIME, "start_type_description_service")
_OF_TOPICS = "qos_overrides."
Values = TypeVar("Values")


@dataclass(frozen=True)
class StartParameters(Generic[Values]):
    """The checked values, those of every ROS 2 node, and what the log should say about the rest."""

    parameters: Values
    of_every_node: dict[str, bool]
    remarks: tuple[tuple[LogLevel, str], ...] = ()


RobotStart = StartParameters[Parameters]


def start_parameters(arguments: RosArguments, node: NodeName) -> RobotStart:
    """Return what the command line sets for the node personaplex, under the name `node`."""
    found = start_values(arguments, node, PARAMETERS)
    return StartParameters(Parameters.of(found.parameters), found.of_every_node, found.remarks)


def start_values(
    arguments: RosArguments, node: NodeName, table: Sequence[Parameter]
) -> StartParameters[dict[str, Value]]:
    """Return what the command line sets of `table`; what comes later wins, -p over all files.

    Names that the node does not have are passed over with a remark where a section with a
    wildcard has them, which is for other nodes as well. ParameterError lists all other problems.
    """
    ours = {parameter.name: parameter for parameter in table}
    values: dict[str, Value] = {}
    of_every_node: dict[str, bool] = {}
    remarks: list[tuple[LogLevel, str]] = []
    problems: list[str] = []
    for section in _meant_for(arguments, node, remarks):
        foreign: list[str] = []
        for name, value in section.values.items():
            if name in _OF_EVERY_NODE and isinstance(value, bool):
                of_every_node[name] = value
            elif name in _OF_EVERY_NODE:
                problems.append(f"{section.place}{name} is {value!r}; it must be true or false")
            elif name.startswith(_OF_TOPICS) or (section.for_many and name not in ours):
                foreign.append(name)
            else:
                try:
                    values[name] = known(name, ours).check(value)
                except ParameterError as error:
                    problems.append(f"{section.place}{error}")
        remarks += _about(foreign, section, ours)
    if problems:
        raise ParameterError("; ".join(problems))
    return StartParameters(values, of_every_node, tuple(remarks))


def _meant_for(
    arguments: RosArguments, node: NodeName, remarks: list[tuple[LogLevel, str]]
) -> Iterator[Section]:
    for path in arguments.params_files:
        sections = read_parameter_file(path)
        chosen = [section for section in sections if section.matches(node)]
        yield from chosen
        namesakes = [s.pattern for s in sections if s.pattern.endswith(f"/{node.name}")]
        if namesakes and not chosen:
            remarks.append(
                (
                    "warn",
                    f"{path} has values for {', '.join(namesakes)} and none for this node, "
                    f"{node.full}; /**/{node.name} means it in every namespace",
                )
            )
    for override in arguments.parameters:
        if override.node in (None, node.name) or matches(override.node, node):
            yield Section("", "", {override.name: override.value})


def _about(
    foreign: list[str], section: Section, ours: Iterable[str]
) -> Iterator[tuple[LogLevel, str]]:
    """Tell which names were passed over, and which of them may be meant for this node."""
    for name in foreign:
        near = difflib.get_close_matches(name, ours, n=3, cutoff=0.8)
        if near:
            hint = " or ".join(near)
            yield "warn", f"{section.place}there is no parameter {name}; did you mean {hint}?"
    if foreign:
        yield "info", f"{section.place}not of this node, passed over: {', '.join(foreign)}"
