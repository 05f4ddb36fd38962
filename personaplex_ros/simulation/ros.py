"""The simulated robot's parts as one ROS 2 node, for talk_sim.launch.py."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from personaplex_ros.mux_file import read_mux_file
from personaplex_ros.node.hosts.bus import Closable
from personaplex_ros.node.hosts.ending import ending_signal
from personaplex_ros.node.ros.bus import RosBus
from personaplex_ros.optional import missing_package
from personaplex_ros.resources import share_directory
from personaplex_ros.simulation.nodes import BaseNode, DriverNode, MuxNode, PatrolNode

NODE_NAME = "simulation"
LONGEST_WAIT_S = 0.1
"""How late the end is noticed when nothing else happens."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts that the parameter `parts` names until SIGINT or SIGTERM; exit status."""
    ending = ending_signal()
    # rclpy's own handlers would invalidate the context while the parts still publish.
    rclpy.init(
        args=None if arguments is None else list(arguments),
        signal_handler_options=SignalHandlerOptions.NO,
    )
    node = Node(NODE_NAME)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    with ExitStack() as open_:
        open_.callback(rclpy.shutdown)
        open_.callback(node.destroy_node)
        try:
            for part in _parts(node):
                open_.callback(part.close)
            while not ending.is_set():
                executor.spin_once(timeout_sec=LONGEST_WAIT_S)
        except ModuleNotFoundError as error:
            print(f"{NODE_NAME}: {missing_package(error)}", file=sys.stderr)
            return 2
        except (ValueError, OSError, LookupError, ImportError) as error:
            print(f"{NODE_NAME}: {error}", file=sys.stderr)
            return 2
    return 0


def _parts(node: Node) -> list[Closable]:
    """Make the parts; ValueError names a part that does not exist."""
    mux_file = str(share_directory() / "config" / "twist_mux.yaml")
    names = node.declare_parameter("parts", "patrol,mux,base").value.split(",")
    path = Path(node.declare_parameter("mux_file", mux_file).value)
    stamped = bool(node.declare_parameter("stamped", True).value)
    audio_file = node.declare_parameter("audio_file", "").value
    loop = bool(node.declare_parameter("loop", False).value)
    bus = RosBus(node)
    makers: dict[str, Callable[[], Closable]] = {
        "patrol": lambda: PatrolNode(bus, stamped=stamped),
        "receptionist": lambda: _receptionist(bus, stamped),
        "mux": lambda: MuxNode(bus, read_mux_file(path)),
        "base": lambda: BaseNode(bus, stamped=stamped),
        "driver": lambda: DriverNode(bus, stamped=stamped),
        "microphone": lambda: _microphone(bus, audio_file, loop),
    }
    unknown = [name for name in names if name not in makers]
    if unknown:
        raise ValueError(f"parts names {unknown[0]!r}; there are {', '.join(makers)}")
    return [makers[name]() for name in names]


def _microphone(bus: RosBus, audio_file: str, loop: bool) -> Closable:
    from personaplex_ros.simulation.microphone import MicrophoneNode  # needs soundfile and soxr

    return MicrophoneNode(bus, audio_file, loop=loop)


def _receptionist(bus: RosBus, stamped: bool) -> Closable:
    from personaplex_ros.simulation.receptionist import ReceptionistNode  # needs py_trees

    return ReceptionistNode(bus, stamped=stamped)
