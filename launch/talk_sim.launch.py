"""A receptionist on patrol that can be talked to: in Gazebo, or on a kinematic base without it."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from ament_index_python.packages import (
    PackageNotFoundError,
    get_package_prefix,
    get_package_share_directory,
)
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    GroupAction,
    IncludeLaunchDescription,
    LogInfo,
    OpaqueFunction,
)
from launch.launch_context import LaunchContext
from launch.launch_description import LaunchDescription
from launch.launch_description_entity import LaunchDescriptionEntity
from launch_ros.actions import Node, PushRosNamespace

from personaplex_ros.launch_arguments import ending_with, existing_file, program, switch

PACKAGE = "personaplex_ros"
GAZEBO = ("ros_gz_sim", "ros_gz_bridge")
RECORDED = (
    "audio_in", "audio_out", "text", "transcript", "user_transcript", "turn_event", "motion_hold",
    "user_speaking", "robot_speaking", "engaged", "odom", "nav_vel", "cmd_vel", "/diagnostics",
)  # fmt: skip
PASSED_ON = (
    "checkpoint", "persona", "device", "params_file", "use_sim_time", "python", "namespace",
)  # fmt: skip
SIMULATION = "personaplex_simulation"


def generate_launch_description() -> LaunchDescription:
    """Describe the arguments and what is started."""
    share = Path(get_package_share_directory(PACKAGE))
    arguments = {
        "simulator": ("auto", "gazebo, kinematic, or auto: Gazebo where it is installed"),
        "headless": ("true", "Gazebo without its window: true or false"),
        "world": (str(share / "config/simulation/lobby.sdf"), "World file of Gazebo"),
        "audio_file": (
            str(share / "config/demo/caller.wav"),
            "What the microphone hears: a wave file, or device for the computer's sound card",
        ),
        "loop": ("false", "Play the file again and again: true or false"),
        "tree": ("false", "A py_trees tree leads the patrol, and stands while spoken to"),
        "record": ("", "If not empty, folder of a rosbag of audio, events, commands and odom"),
        "mux_file": (str(share / "config/twist_mux.yaml"), "Parameter file of twist_mux"),
        "namespace": ("", "Namespace of everything"),
        "checkpoint": ("", "Checkpoint: nano or a folder (empty: as in params_file)"),
        "persona": ("receptionist", "Persona: a name or the path of a file"),
        "device": ("", "Where the model runs (empty: as in params_file)"),
        "params_file": (str(share / "config/personaplex.yaml"), "Parameter file of the node"),
        "use_sim_time": ("false", "Take the time from /clock: true or false"),
        "python": (
            "",
            "Python interpreter for this package's nodes alone, that of a virtual environment: "
            "~/personaplex_venv/bin/python (empty: python3)",
        ),
    }
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value=default, description=text)
                for name, (default, text) in arguments.items()
            ),
            OpaqueFunction(function=_everything),
        ]
    )


def _everything(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    given = context.launch_configurations
    gazebo = _in_gazebo(given["simulator"])
    mux = _installed("twist_mux")
    stamped = _stamped(Path(existing_file(given, "mux_file")), real_mux=mux)
    leader = "receptionist" if switch(given, "tree") else "patrol"
    parts = [leader, "driver" if gazebo else "base"]
    if not mux:
        parts.append("mux")
    from_file = given["audio_file"] != "device"
    if from_file:
        parts.append("microphone")
    robot: list[LaunchDescriptionEntity] = [
        LogInfo(
            msg=f"base: {'Gazebo' if gazebo else 'kinematic'}, "
            f"mux: {'twist_mux' if mux else 'that of the simulation'}, "
            f"commands: {'TwistStamped' if stamped else 'Twist'}"
        ),
        _simulation(given, parts, stamped),
    ]
    if mux:
        robot.append(_twist_mux(given, stamped))
    if gazebo:
        robot += _gazebo(given)
    if given["record"]:
        robot.append(_recording(given))
    if given["namespace"]:
        robot.insert(0, PushRosNamespace(given["namespace"]))
    return [
        GroupAction(robot),
        _talk(given, "topic" if from_file else "device"),
    ]


def _in_gazebo(simulator: str) -> bool:
    """Tell whether Gazebo is to be used; RuntimeError if it is asked for and not installed."""
    if simulator not in ("auto", "gazebo", "kinematic"):
        raise RuntimeError(f"simulator is {simulator!r}; it must be auto, gazebo or kinematic")
    missing = [package for package in GAZEBO if not _installed(package)]
    if simulator == "gazebo" and missing:
        raise RuntimeError(
            f"simulator is gazebo, but {' and '.join(missing)} cannot be found: "
            "apt install ros-$ROS_DISTRO-ros-gz, or choose simulator:=kinematic"
        )
    return simulator != "kinematic" and not missing


def _installed(package: str) -> bool:
    try:
        get_package_prefix(package)
    except PackageNotFoundError:
        return False
    return True


def _stamped(mux_file: Path, real_mux: bool) -> bool:
    """Return the type of commands: twist_mux before 4.4 knows no other than Twist."""
    from personaplex_ros.mux_file import read_mux_file

    return read_mux_file(mux_file).stamped and not (real_mux and _version("twist_mux") < (4, 4))


def _version(package: str) -> tuple[int, ...]:
    """Return an installed package's version."""
    manifest = Path(get_package_share_directory(package)) / "package.xml"
    text = ElementTree.parse(manifest).findtext("version", "0").strip()
    return tuple(int(part) for part in text.split("."))


def _simulation(given: dict[str, str], parts: list[str], stamped: bool) -> Node:
    audio = "" if given["audio_file"] == "device" else existing_file(given, "audio_file")
    return Node(
        **program(given, SIMULATION, []),
        parameters=[
            {
                "parts": ",".join(parts),
                "mux_file": existing_file(given, "mux_file"),
                "stamped": stamped,
                "audio_file": audio,
                "loop": switch(given, "loop"),
                "use_sim_time": switch(given, "use_sim_time"),
            }
        ],
        on_exit=ending_with(SIMULATION),
        output="screen",
    )


def _twist_mux(given: dict[str, str], stamped: bool) -> Node:
    sim_time = switch(given, "use_sim_time")
    mux_file = existing_file(given, "mux_file")
    return Node(
        package="twist_mux",
        executable="twist_mux",
        parameters=[mux_file, {"use_stamped": stamped, "use_sim_time": sim_time}],
        remappings=[("cmd_vel_out", "cmd_vel")],
        output="screen",
    )


def _gazebo(given: dict[str, str]) -> list[LaunchDescriptionEntity]:
    simulation = Path(get_package_share_directory(PACKAGE)) / "config" / "simulation"
    launch = Path(get_package_share_directory("ros_gz_sim")) / "launch" / "gz_sim.launch.py"
    window = "-s " if switch(given, "headless") else ""
    return [
        IncludeLaunchDescription(
            str(launch), launch_arguments={"gz_args": f"-r {window}{given['world']}"}.items()
        ),
        Node(
            package="ros_gz_sim",
            executable="create",
            arguments=["-name", "receptionist", "-file", str(simulation / "receptionist.sdf")],
            output="screen",
        ),
        Node(
            package="ros_gz_bridge",
            executable="parameter_bridge",
            parameters=[{"config_file": str(simulation / "bridge.yaml")}],
            output="screen",
        ),
    ]


def _recording(given: dict[str, str]) -> ExecuteProcess:
    namespace = given["namespace"].strip("/")
    prefix = f"/{namespace}/" if namespace else "/"
    topics = [name if name.startswith("/") else prefix + name for name in RECORDED]
    # A list of topics is given otherwise in Humble than in later releases, this is not.
    chosen = f"^({'|'.join(topics)})$"
    return ExecuteProcess(cmd=["ros2", "bag", "record", "-o", given["record"], "--regex", chosen])


def _talk(given: dict[str, str], audio_source: str) -> IncludeLaunchDescription:
    talk = Path(get_package_share_directory(PACKAGE)) / "launch" / "talk.launch.py"
    passed = {name: given[name] for name in PASSED_ON}
    passed["audio_source"] = audio_source
    if audio_source == "device":
        passed["audio_sink"] = "device"
    else:  # a file hears no loudspeaker
        passed["echo_cancellation"] = "off"
    return IncludeLaunchDescription(str(talk), launch_arguments=passed.items())
