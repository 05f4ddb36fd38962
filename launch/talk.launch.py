"""Starts the conversation node, which with autostart configures and activates itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ament_index_python.packages import get_package_share_directory
from launch.actions import (
    DeclareLaunchArgument,
    GroupAction,
    OpaqueFunction,
    UnsetLaunchConfiguration,
)
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
from personaplex_ros.node.hosts.names import NodeName
from personaplex_ros.node.hosts.options import parse_host_options

PACKAGE = "personaplex_ros"
EXECUTABLE = "personaplex_node"
NAME = "personaplex"

# Launch arguments that become node parameters; empty ones leave what params_file says.
PARAMETERS = {
    "checkpoint": "Checkpoint: nano (bundled) or the folder with the model's files",
    "engine": "Server where the model runs, ws://HOST:PORT or wss://HOST:PORT",
    "persona": "Persona: a name in config/personas, or the path of such a file",
    "text_prompt": "Replaces the persona's text prompt",
    "voice": "Replaces the persona's voice: a name, a .wav or a .pt file",
    "device": "Where the model runs: auto, cpu, cuda or cuda:N",
    "audio_source": "Microphone: topic, device, device:NAME, file:PATH or udp://ADDRESS:PORT?rate=HZ",
    "audio_sink": "Loudspeaker besides the topic: topic, device, device:NAME or file:PATH",
    "echo_cancellation": "Whether the robot's own sound is taken out of the microphone: auto, off",
}
LOG_LEVELS = ["debug", "info", "warn", "error", "fatal"]


def generate_launch_description() -> LaunchDescription:
    """Describe the arguments and the node."""
    params_file = Path(get_package_share_directory(PACKAGE)) / "config" / "personaplex.yaml"
    arguments = {
        **{name: ("", f"{text} (empty: as in params_file)") for name, text in PARAMETERS.items()},
        "namespace": ("", "Namespace of the node and its topics"),
        "robots": ("", "Namespaces, robot1,robot2,...: a node for each, one model for all"),
        "params_file": (str(params_file), "Parameter file of the node"),
        "use_sim_time": ("false", "Take the time from /clock: true or false"),
        "autostart": ("true", "Configure and activate the node once it runs: true or false"),
        "respawn": (
            "false",
            "Start the node again when it dies, instead of ending the launch: true or false",
        ),
        "respawn_delay": ("2.0", "Wait before it is started again, s"),
        "python": (
            "",
            "Python interpreter for the node alone, that of a virtual environment: "
            "~/personaplex_venv/bin/python (empty: python3)",
        ),
    }
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value=default, description=text)
                for name, (default, text) in arguments.items()
            ),
            DeclareLaunchArgument(
                "log_level",
                default_value="info",
                choices=LOG_LEVELS,
                description="What the node writes to its log",
            ),
            OpaqueFunction(function=_node),
        ]
    )


def _node(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    given = context.launch_configurations
    robots = given["robots"].replace(",", " ").split()
    names = [_name(given, robot) for robot in robots or [""]]
    if robots:
        parse_host_options(["--robots", *(name.namespace for name in names)])  # checks them
    host = ["--autostart" if switch(given, "autostart") else "--no-autostart"]
    if robots:
        host += ["--robots", *(name.namespace for name in names)]
    levels = [("--log-level", f"{name.logger}:={given['log_level']}") for name in names]
    overrides: dict[str, Any] = {
        name: ParameterValue(given[name], value_type=str) for name in PARAMETERS if given[name]
    }
    overrides["use_sim_time"] = switch(given, "use_sim_time")
    respawn = switch(given, "respawn")
    node = Node(
        **program(
            given, EXECUTABLE, [*host, "--ros-args", *(word for level in levels for word in level)]
        ),
        **({} if robots else {"name": NAME, "namespace": names[0].namespace}),
        parameters=[existing_file(given, "params_file"), overrides],
        respawn=respawn,
        respawn_delay=seconds(given, "respawn_delay"),
        on_exit=None if respawn else ending_with(EXECUTABLE),
        output="screen",
        emulate_tty=True,
    )
    # The namespaces of robots are in their names: one for the process would replace them all.
    return [GroupAction([UnsetLaunchConfiguration("ros_namespace"), node])]


def _name(given: dict[str, str], robot: str) -> NodeName:
    """Return a node's name below the namespaces of an including launch file and of this one."""
    namespace = given["namespace"]
    if not namespace.startswith("/"):
        namespace = f"{given.get('ros_namespace', '')}/{namespace}"
    parts = [part for part in f"{namespace}/{robot}".split("/") if part]
    return NodeName(NAME, "/" + "/".join(parts))
