"""The server of an action: three services and two topics below <name>/_action/."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from personaplex_ros.node.bare.endpoints import Endpoints, Respond
from personaplex_ros.node.hosts.bus import LATCHED, RELIABLE, Goal, Outcome
from personaplex_ros.node.hosts.messages import set_time, time_ns

KEPT_RESULTS = 16
"""Goals that have ended whose results can still be asked for."""

# action_msgs/msg/GoalStatus, and the return codes of action_msgs/srv/CancelGoal.
UNKNOWN, EXECUTING, CANCELING = 0, 2, 3
ENDED: dict[Outcome, int] = {"succeeded": 4, "canceled": 5, "aborted": 6}
OUTCOMES: dict[int, Outcome] = {status: outcome for outcome, status in ENDED.items()}
NO_SUCH_GOAL, GOAL_HAS_ENDED = 2, 3

CANCEL = "action_msgs/srv/CancelGoal"


class ServerGoal:
    """A goal at the server's end; see :class:`personaplex_ros.node.hosts.bus.Goal`."""

    def __init__(self, server: ActionServer, goal_id: bytes, request: Any, stamp_ns: int):
        self._server = server
        self.goal_id = goal_id
        self.request = request
        self.stamp_ns = stamp_ns
        self.status = EXECUTING
        self.result: Any = None
        self.waiting: list[Respond] = []

    @property
    def cancel_requested(self) -> bool:
        """Whether a client wants it cancelled."""
        return self.status == CANCELING

    @property
    def ended(self) -> bool:
        """Whether it has a result."""
        return self.status in OUTCOMES

    def feedback(self, message: Any) -> None:
        """Send feedback."""
        self._server.send_feedback(self, message)

    def end(self, outcome: Outcome, result: Any) -> None:
        """End it."""
        self._server.end(self, outcome, result)


class ActionServer:
    """Keeps the goals of one action; ``name`` is absolute."""

    def __init__(
        self,
        endpoints: Endpoints,
        name: str,
        type_name: str,
        begin: Callable[[Goal], None],
        accepts: Callable[[Any], bool],
    ) -> None:
        self._begin = begin
        self._accepts = accepts
        self._types = endpoints.types.action(type_name)
        self._cancel = endpoints.types.service(CANCEL)
        self._info = endpoints.types.message("action_msgs/msg/GoalInfo")
        self._status = endpoints.types.message("action_msgs/msg/GoalStatus")
        self._statuses = endpoints.types.message("action_msgs/msg/GoalStatusArray")
        self._lock = threading.RLock()
        self._goals: dict[bytes, ServerGoal] = {}
        below = f"{name}/_action"
        self._feedback = endpoints.publisher(
            f"{below}/feedback", self._types.feedback_message, RELIABLE
        )
        self._status_topic = endpoints.publisher(f"{below}/status", self._statuses, LATCHED)
        self._publish_status()
        self._services = [
            endpoints.service(f"{below}/{part}", types, handler, "actions")
            for part, types, handler in (
                ("send_goal", self._types.send_goal, self._on_send_goal),
                ("cancel_goal", self._cancel, self._on_cancel),
                ("get_result", self._types.get_result, self._on_get_result),
            )
        ]

    def send_feedback(self, goal: ServerGoal, message: Any) -> None:
        """Send feedback of a goal that has not ended."""
        with self._lock:
            if not goal.ended:
                carrier = self._types.feedback_message()
                carrier.goal_id.uuid = np.frombuffer(goal.goal_id, np.uint8)
                carrier.feedback = message
                self._feedback.publish(carrier)

    def end(self, goal: ServerGoal, outcome: Outcome, result: Any) -> None:
        """End a goal and answer those who wait for its result."""
        with self._lock:
            if goal.ended:
                return
            goal.status, goal.result = ENDED[outcome], result
            waiting, goal.waiting = goal.waiting, []
            ended = [key for key, other in self._goals.items() if other.ended]
            for key in ended[:-KEPT_RESULTS]:
                del self._goals[key]
            self._publish_status()
        for respond in waiting:
            respond(self._answer(goal))

    def close(self) -> None:
        """Abort what goes on and take the action out of the graph."""
        for goal in list(self._goals.values()):
            self.end(goal, "aborted", self._types.Result())
        for service in self._services:
            service.close()
        self._feedback.close()
        self._status_topic.close()

    def _on_send_goal(self, request: Any, respond: Respond) -> None:
        goal_id = bytes(request.goal_id.uuid)
        goal = ServerGoal(self, goal_id, request.goal, time.time_ns())
        response = self._types.send_goal.Response()
        passed = self._accepts(request.goal)
        with self._lock:
            response.accepted = passed and goal_id not in self._goals
            if response.accepted:
                self._goals[goal_id] = goal
                set_time(response.stamp, goal.stamp_ns)
                self._publish_status()
        respond(response)
        if response.accepted:
            try:
                self._begin(goal)
            except Exception:
                self.end(goal, "aborted", self._types.Result())
                raise

    def _on_get_result(self, request: Any, respond: Respond) -> None:
        with self._lock:
            goal = self._goals.get(bytes(request.goal_id.uuid))
            if goal is not None and not goal.ended:
                goal.waiting.append(respond)
                return
        unknown = self._types.get_result.Response(status=UNKNOWN)
        respond(unknown if goal is None else self._answer(goal))

    def _on_cancel(self, request: Any, respond: Respond) -> None:
        response = self._cancel.Response()
        with self._lock:
            asked = self._selected(request.goal_info)
            canceled = [goal for goal in asked if not goal.ended]
            for goal in canceled:
                goal.status = CANCELING
            response.goals_canceling = [self._info_of(goal) for goal in canceled]
            one = bytes(request.goal_info.goal_id.uuid)
            if any(one) and not canceled:
                response.return_code = GOAL_HAS_ENDED if one in self._goals else NO_SUCH_GOAL
            self._publish_status()
        respond(response)

    def _selected(self, info: Any) -> list[ServerGoal]:
        """Return the goals that a cancel request means, as action_msgs/srv/CancelGoal has it.

        One by its id; with a time also those accepted until then; with neither, all.
        """
        one, until_ns = bytes(info.goal_id.uuid), time_ns(info.stamp)
        everything = not any(one) and until_ns == 0
        return [
            goal
            for goal in self._goals.values()
            if everything or goal.goal_id == one or goal.stamp_ns <= until_ns
        ]

    def _answer(self, goal: ServerGoal) -> Any:
        return self._types.get_result.Response(status=goal.status, result=goal.result)

    def _info_of(self, goal: ServerGoal) -> Any:
        info = self._info()
        info.goal_id.uuid = np.frombuffer(goal.goal_id, np.uint8)
        set_time(info.stamp, goal.stamp_ns)
        return info

    def _publish_status(self) -> None:
        message = self._statuses()
        message.status_list = [
            self._status(goal_info=self._info_of(goal), status=goal.status)
            for goal in self._goals.values()
        ]
        self._status_topic.publish(message)
