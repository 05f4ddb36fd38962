"""The node under ROS 2: an rclpy lifecycle node around the conversation."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import rclpy
from rcl_interfaces.msg import SetParametersResult
from rclpy.executors import MultiThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import remove_ros_args

from personaplex_ros.node.conversation import Conversation, EngineLoader
from personaplex_ros.node.ending import ending_signal
from personaplex_ros.node.host_options import HostOptions, parse_host_options
from personaplex_ros.node.loading import load_engine, release_memory
from personaplex_ros.node.parameter import ParameterError
from personaplex_ros.node.parameters import PARAMETERS
from personaplex_ros.node.ros.bus import RosBus
from personaplex_ros.node.ros.declaration import declare
from personaplex_ros.node.shared_model import SharedModel

NODE_NAME = "personaplex"
EXECUTOR_THREADS = 5
"""Audio, timers, a service, a goal and a transition of a robot at once."""
SHUTDOWN_TIMEOUT_S = 2.0

_OURS = {parameter.name for parameter in PARAMETERS}


class PersonaPlexNode(LifecycleNode):
    """Maps transitions and parameters to the conversation; it holds no behaviour of its own."""

    def __init__(
        self,
        load: EngineLoader = load_engine,
        release: Callable[[], None] = release_memory,
        namespace: str | None = None,
    ) -> None:
        """Declare the parameters; raises ParameterError for values that cannot be used."""
        super().__init__(NODE_NAME, namespace=namespace)
        bus = RosBus(self)
        self.conversation = Conversation(bus, declare(self, bus), load, release)
        self.add_on_set_parameters_callback(self._on_set_parameters)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the model."""
        return self._attempt("configure", self.conversation.configure)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start the conversation."""
        return self._attempt("activate", self.conversation.activate)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Pause the conversation."""
        return self._attempt("deactivate", self.conversation.deactivate)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the model."""
        return self._attempt("cleanup", self.conversation.cleanup)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """End the conversation for good."""
        return self._attempt("shutdown", self.conversation.shutdown)

    def _attempt(self, name: str, transition: Callable[[], None]) -> TransitionCallbackReturn:
        try:
            transition()
        except Exception as error:
            self.get_logger().error(f"{name} failed: {error}")
            return TransitionCallbackReturn.FAILURE
        return TransitionCallbackReturn.SUCCESS

    def _on_set_parameters(self, parameters: list[Parameter]) -> SetParametersResult:
        values: dict[str, Any] = {p.name: p.value for p in parameters if p.name in _OURS}
        try:
            self.conversation.set_parameters(values)
        except ParameterError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM; returns the exit status.

    A single node waits for transitions, as ROS 2 launch files expect. With `--robots` there is a
    node for each namespace and one model for all; they configure and activate themselves, unless
    `--no-autostart` is given.
    """
    words = remove_ros_args(sys.argv if arguments is None else [NODE_NAME, *arguments])[1:]
    try:
        options = parse_host_options(words)
    except ValueError as error:
        print(f"{NODE_NAME}: {error}", file=sys.stderr)
        return 2
    ending = ending_signal()
    # rclpy's own handlers would invalidate the context before the last messages are sent.
    rclpy.init(
        args=None if arguments is None else list(arguments),
        signal_handler_options=SignalHandlerOptions.NO,
    )
    try:
        return _run(ending, options)
    except ParameterError as error:
        print(f"{NODE_NAME}: {error}", file=sys.stderr)
        return 1
    finally:
        rclpy.shutdown()


def _run(ending: threading.Event, options: HostOptions) -> int:
    model = None
    if options.robots:
        model = SharedModel(partial(load_engine, slots=len(options.robots)))
        nodes = [PersonaPlexNode(model.load, model.release, robot) for robot in options.robots]
    else:
        nodes = [PersonaPlexNode()]
    executor = MultiThreadedExecutor(EXECUTOR_THREADS * len(nodes))
    for node in nodes:
        executor.add_node(node)
    failure: list[BaseException] = []

    def spin() -> None:
        try:
            executor.spin()
        except BaseException as error:
            failure.append(error)
            ending.set()

    spinning = threading.Thread(target=spin, name="executor", daemon=True)
    spinning.start()
    if options.robots and options.autostart is not False:
        for node in nodes:
            if node.trigger_configure() == TransitionCallbackReturn.SUCCESS:
                node.trigger_activate()
    ending.wait()
    for node in nodes:
        node.conversation.shutdown()
    if model is not None:
        model.close()
    executor.shutdown(SHUTDOWN_TIMEOUT_S)
    spinning.join(SHUTDOWN_TIMEOUT_S)
    for node in nodes:
        node.destroy_node()
    if failure:
        print(f"{NODE_NAME}: the executor failed: {failure[0]!r}", file=sys.stderr)
        return 1
    return 0
