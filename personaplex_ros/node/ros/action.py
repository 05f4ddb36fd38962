"""Actions over rclpy, as the bus describes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from action_msgs.msg import GoalStatus
from rclpy.action import ActionClient, ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.task import Future

from personaplex_ros.node.hosts.bus import Done, Goal, Outcome
from personaplex_ros.node.ros.servers import Servers

_OUTCOMES: dict[int, Outcome] = {
    GoalStatus.STATUS_SUCCEEDED: "succeeded",
    GoalStatus.STATUS_CANCELED: "canceled",
    GoalStatus.STATUS_ABORTED: "aborted",
}


class RosGoal:
    """A goal at the server's end."""

    def __init__(self, handle: ServerGoalHandle, ended: Future) -> None:
        self._handle = handle
        self._ended = ended
        self.request = handle.request

    @property
    def cancel_requested(self) -> bool:
        """Whether a client wants it cancelled."""
        return bool(self._handle.is_cancel_requested)

    def feedback(self, message: Any) -> None:
        """Send feedback."""
        if not self._ended.done():
            self._handle.publish_feedback(message)

    def end(self, outcome: Outcome, result: Any) -> None:
        """End it; the executor, whose thread waits for none of this, sends the result."""
        if not self._ended.done():
            self._ended.set_result((outcome, result))


class RosActionServer:
    """Serves one action; a goal that goes on takes no thread of the executor."""

    def __init__(
        self,
        node: Node,
        type_class: Any,
        name: str,
        begin: Callable[[Goal], None],
        accepts: Callable[[Any], bool],
        group: CallbackGroup,
    ) -> None:
        self._node = node
        self._type = type_class
        self._begin = begin
        self._goals: set[RosGoal] = set()
        self._server = ActionServer(
            node,
            type_class,
            name,
            execute_callback=self._execute,
            goal_callback=lambda request: (
                GoalResponse.ACCEPT if accepts(request) else GoalResponse.REJECT
            ),
            cancel_callback=lambda handle: CancelResponse.ACCEPT,
            callback_group=group,
        )

    def close(self) -> None:
        """Abort what goes on. The server itself stays until the node is destroyed.

        rclpy sends a result after `_execute` has returned, and would end the executor if there
        were no server then.
        """
        for goal in list(self._goals):
            goal.end("aborted", self._type.Result())

    async def _execute(self, handle: ServerGoalHandle) -> Any:
        ended = Future(executor=self._node.executor)
        goal = RosGoal(handle, ended)
        self._goals.add(goal)
        try:
            self._begin(goal)
            outcome, result = await ended
        finally:
            self._goals.discard(goal)
        end = {"succeeded": handle.succeed, "canceled": handle.canceled, "aborted": handle.abort}
        end[outcome]()
        return result


class RosSentGoal:
    """A goal at the client's end."""

    def __init__(self, sending: Future, done: Done) -> None:
        self._done = done
        self._handle: Any = None
        self._cancelled = False
        sending.add_done_callback(self._on_sent)

    def cancel(self) -> None:
        """Ask for its end; once it is known to be accepted, for it may be overtaken."""
        self._cancelled = True
        if self._handle is not None:
            self._handle.cancel_goal_async()

    def _on_sent(self, sending: Future) -> None:
        handle = sending.result()
        if not handle.accepted:
            self._done("rejected", None)
            return
        self._handle = handle
        handle.get_result_async().add_done_callback(self._on_result)
        if self._cancelled:
            handle.cancel_goal_async()

    def _on_result(self, answer: Future) -> None:
        response = answer.result()
        self._done(_OUTCOMES.get(response.status, "aborted"), response.result)


class RosActionClient:
    """The calling end of one action."""

    def __init__(self, node: Node, type_class: Any, name: str, group: CallbackGroup) -> None:
        self._client: ActionClient | None = ActionClient(
            node, type_class, name, callback_group=group
        )
        self._servers = Servers(node, name, "/_action/send_goal")

    def ready(self) -> bool:
        """Tell whether a server is there now that can be called."""
        there = self._client is not None and bool(self._client.server_is_ready())
        return there and not self._servers.obstacle()

    def obstacle(self) -> str:
        """Say why a server that is there must not be called."""
        return self._servers.obstacle()

    def send(self, goal: Any, feedback: Callable[[Any], None], done: Done) -> RosSentGoal:
        """Send a goal; RuntimeError if a server of another vendor would get it."""
        if self._client is None:
            raise RuntimeError("this action client is closed")
        if obstacle := self._servers.obstacle():
            raise RuntimeError(obstacle)
        sending = self._client.send_goal_async(
            goal, feedback_callback=lambda message: feedback(message.feedback)
        )
        return RosSentGoal(sending, done)

    def close(self) -> None:
        """Take the client out of the graph; goals go on without it."""
        if self._client is not None:
            self._client.destroy()
            self._client = None
