"""The calling end of an action, on any middleware."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from personaplex_ros.node.bare.action import CANCEL, OUTCOMES
from personaplex_ros.node.bare.endpoints import Endpoints
from personaplex_ros.node.hosts.bus import RELIABLE, Done


class ClientGoal:
    """A goal at the client's end."""

    def __init__(
        self,
        client: ActionClient,
        feedback: Callable[[Any], None],
        done: Done,
    ) -> None:
        self._client = client
        self.goal_id = secrets.token_bytes(16)
        self.feedback = feedback
        self.done = done
        self.accepted = False
        self.cancelled = False

    def cancel(self) -> None:
        """Ask for its end."""
        self._client.cancel(self)


class ActionClient:
    """The calling end of one action; ``name`` is absolute."""

    def __init__(self, endpoints: Endpoints, name: str, type_name: str) -> None:
        self._types = endpoints.types.action(type_name)
        self._cancel_types = endpoints.types.service(CANCEL)
        self._lock = threading.Lock()
        self._goals: dict[bytes, ClientGoal] = {}
        below = f"{name}/_action"
        self._send = endpoints.client(f"{below}/send_goal", self._types.send_goal)
        self._cancel = endpoints.client(f"{below}/cancel_goal", self._cancel_types)
        self._result = endpoints.client(f"{below}/get_result", self._types.get_result)
        self._feedback = endpoints.subscription(
            f"{below}/feedback", self._types.feedback_message, RELIABLE, self._on_feedback
        )

    def ready(self) -> bool:
        """Tell whether a server is there now."""
        return (
            all(client.ready() for client in (self._send, self._cancel, self._result))
            and self._feedback.publishers() > 0
        )

    def obstacle(self) -> str:
        """Say why a server that is there must not be called."""
        return self._send.obstacle()

    def send(self, goal: Any, feedback: Callable[[Any], None], done: Done) -> ClientGoal:
        """Send a goal; RuntimeError if a server of another vendor would get it."""
        if obstacle := self.obstacle():
            raise RuntimeError(obstacle)
        sent = ClientGoal(self, feedback, done)
        with self._lock:
            self._goals[sent.goal_id] = sent
        request = self._types.send_goal.Request(goal=goal)
        request.goal_id.uuid = np.frombuffer(sent.goal_id, np.uint8)
        self._send.call(request, lambda response: self._on_sent(sent, response))
        return sent

    def cancel(self, sent: ClientGoal) -> None:
        """Ask for the end of a goal; once it is known to be accepted, for it may be overtaken."""
        with self._lock:
            sent.cancelled = True
            if not sent.accepted:
                return
        self._ask_to_cancel(sent)

    def close(self) -> None:
        """Take the client out of the graph; goals go on without it."""
        for end in (self._send, self._cancel, self._result, self._feedback):
            end.close()

    def _ask_to_cancel(self, sent: ClientGoal) -> None:
        request = self._cancel_types.Request()
        request.goal_info.goal_id.uuid = np.frombuffer(sent.goal_id, np.uint8)
        self._cancel.call(request, lambda response: None)

    def _on_sent(self, sent: ClientGoal, response: Any) -> None:
        if not response.accepted:
            self._forget(sent)
            sent.done("rejected", None)
            return
        with self._lock:
            sent.accepted = True
        if sent.cancelled:
            self._ask_to_cancel(sent)
        request = self._types.get_result.Request()
        request.goal_id.uuid = np.frombuffer(sent.goal_id, np.uint8)
        self._result.call(request, lambda response: self._on_result(sent, response))

    def _on_result(self, sent: ClientGoal, response: Any) -> None:
        self._forget(sent)
        # A status that is none of the three: a server that has forgotten the goal.
        sent.done(OUTCOMES.get(response.status, "aborted"), response.result)

    def _on_feedback(self, message: Any, _: str) -> None:
        with self._lock:
            sent = self._goals.get(bytes(message.goal_id.uuid))
        if sent is not None:
            sent.feedback(message.feedback)

    def _forget(self, sent: ClientGoal) -> None:
        with self._lock:
            self._goals.pop(sent.goal_id, None)
