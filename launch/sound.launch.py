"""Starts nodes for a microphone and a loudspeaker, for a robot whose model runs elsewhere."""

from __future__ import annotations

from typing import Any

from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.launch_context import LaunchContext
from launch.launch_description import LaunchDescription
from launch.launch_description_entity import LaunchDescriptionEntity
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from personaplex_ros.launch_arguments import (
    ending_with,
    existing_file,
    program,
    seconds,
    switch,
)

NODES = ("microphone", "speaker")
NONE = "none"
CARD = "number, name or words of the name; default: the default card; none: no such node"


def generate_launch_description() -> LaunchDescription:
    """Describe the arguments and the nodes."""
    arguments = {
        "microphone": (
            "default",
            f"Sound card of the microphone: {CARD}; or packets: udp://ADDRESS:PORT?rate=HZ",
        ),
        "speaker": ("default", f"Sound card of the loudspeaker: {CARD}"),
        "namespace": ("", "Namespace of the nodes and their topics, that of the node personaplex"),
        "params_file": ("", "Parameter file of both nodes (empty: none)"),
        "use_sim_time": ("false", "Take the time from /clock: true or false"),
        "respawn": ("true", "Start a node again when it dies or finds no card: true or false"),
        "respawn_delay": ("2.0", "Wait before it is started again, s"),
        "python": (
            "",
            "Python interpreter for these nodes alone, that of a virtual environment: "
            "~/personaplex_venv/bin/python (empty: python3)",
        ),
    }
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value=default, description=text)
                for name, (default, text) in arguments.items()
            ),
            OpaqueFunction(function=_nodes),
        ]
    )


def _nodes(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    given = context.launch_configurations
    wanted = [name for name in NODES if given[name] != NONE]
    if not wanted:
        raise ValueError("microphone:=none and speaker:=none leave nothing to start")
    return [_node(given, name) for name in wanted]


def _node(given: dict[str, str], name: str) -> Node:
    executable = f"personaplex_{name}"
    overrides: dict[str, Any] = {"use_sim_time": switch(given, "use_sim_time")}
    if given[name] != "default":
        which = "source" if name == "microphone" and given[name].startswith("udp:") else "card"
        overrides[which] = ParameterValue(given[name], value_type=str)
    files = [existing_file(given, "params_file")] if given["params_file"] else []
    respawn = switch(given, "respawn")
    return Node(
        **program(given, executable, []),
        name=name,
        namespace=given["namespace"],
        parameters=[*files, overrides],
        respawn=respawn,
        respawn_delay=seconds(given, "respawn_delay"),
        on_exit=None if respawn else ending_with(executable),
        output="screen",
        emulate_tty=True,
    )
