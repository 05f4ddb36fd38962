"""Starts the conversation node and, with autostart, configures and activates it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ament_index_python.packages import get_package_share_directory
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
)
from launch.conditions import IfCondition
from launch.events import matches_action
from launch.launch_context import LaunchContext
from launch.launch_description import LaunchDescription
from launch.launch_description_entity import LaunchDescriptionEntity
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode, Node
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events.lifecycle import ChangeState
from launch_ros.parameter_descriptions import ParameterValue
from lifecycle_msgs.msg import Transition

PACKAGE = "personaplex_ros"

# Launch arguments that become node parameters; empty ones leave what params_file says.
PARAMETERS = {
    "checkpoint": "Checkpoint: nano (bundled) or the folder with the model's files",
    "persona": "Persona: a name in config/personas, or the path of such a file",
    "text_prompt": "Replaces the persona's text prompt",
    "voice": "Replaces the persona's voice: a name, a .wav or a .pt file",
    "device": "Where the model runs: auto, cpu, cuda or cuda:N",
    "audio_source": "Microphone: topic, device, device:NAME or file:PATH",
    "audio_sink": "Loudspeaker besides the topic: topic, device, device:NAME or file:PATH",
}


def generate_launch_description() -> LaunchDescription:
    """Describe the arguments and the node."""
    params_file = Path(get_package_share_directory(PACKAGE)) / "config" / "personaplex.yaml"
    arguments = [
        DeclareLaunchArgument(
            name, default_value="", description=f"{text} (empty: as in params_file)"
        )
        for name, text in PARAMETERS.items()
    ]
    arguments += [
        DeclareLaunchArgument(
            "namespace", default_value="", description="Namespace of the node and its topics"
        ),
        DeclareLaunchArgument(
            "robots",
            default_value="",
            description="Namespaces, robot1,robot2,...: a node for each, one model for all",
        ),
        DeclareLaunchArgument(
            "params_file",
            default_value=str(params_file),
            description="Parameter file of the node",
        ),
        DeclareLaunchArgument(
            "use_sim_time",
            default_value="false",
            choices=["true", "false"],
            description="Take the time from /clock",
        ),
        DeclareLaunchArgument(
            "autostart",
            default_value="true",
            choices=["true", "false"],
            description="Configure and activate the node at once",
        ),
        DeclareLaunchArgument(
            "log_level",
            default_value="info",
            choices=["debug", "info", "warn", "error", "fatal"],
            description="What the node writes to its log",
        ),
    ]
    return LaunchDescription([*arguments, OpaqueFunction(function=_node)])


def _node(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    given = {name: context.launch_configurations[name] for name in PARAMETERS}
    overrides = {n: ParameterValue(text, value_type=str) for n, text in given.items() if text}
    overrides["use_sim_time"] = ParameterValue(LaunchConfiguration("use_sim_time"), value_type=bool)
    robots = context.launch_configurations["robots"].replace(",", " ").split()
    if robots:
        return [_fleet(context, robots, overrides)]
    node = LifecycleNode(
        package=PACKAGE,
        executable="personaplex_node",
        name="personaplex",
        namespace=LaunchConfiguration("namespace"),
        parameters=[LaunchConfiguration("params_file"), overrides],
        arguments=["--ros-args", "--log-level", LaunchConfiguration("log_level")],
        output="screen",
        emulate_tty=True,
    )
    autostart = IfCondition(LaunchConfiguration("autostart"))
    return [
        # Only from configuring: a node that someone deactivates must stay inactive.
        RegisterEventHandler(
            OnStateTransition(
                target_lifecycle_node=node,
                start_state="configuring",
                goal_state="inactive",
                entities=[_change(node, Transition.TRANSITION_ACTIVATE)],
            ),
            condition=autostart,
        ),
        RegisterEventHandler(
            OnStateTransition(
                target_lifecycle_node=node,
                start_state="configuring",
                goal_state="unconfigured",
                entities=[LogInfo(msg="personaplex could not be configured; see its log above")],
            ),
            condition=autostart,
        ),
        node,
        _change(node, Transition.TRANSITION_CONFIGURE, condition=autostart),
    ]


def _fleet(context: LaunchContext, robots: list[str], overrides: dict[str, Any]) -> Node:
    """Return the process that serves several robots; it configures and activates their nodes."""
    started = context.launch_configurations["autostart"] == "true"
    return Node(
        package=PACKAGE,
        executable="personaplex_node",
        parameters=[LaunchConfiguration("params_file"), overrides],
        arguments=[
            "--robots", *robots, *([] if started else ["--no-autostart"]),
            "--ros-args", "--log-level", LaunchConfiguration("log_level"),
        ],
        output="screen",
        emulate_tty=True,
    )  # fmt: skip


def _change(
    node: LifecycleNode, transition: int, condition: IfCondition | None = None
) -> EmitEvent:
    event = ChangeState(lifecycle_node_matcher=matches_action(node), transition_id=transition)
    return EmitEvent(event=event, condition=condition)
