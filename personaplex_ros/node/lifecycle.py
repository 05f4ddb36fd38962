"""The services and the topic of a ROS 2 managed node (design.ros2.org/articles/node_lifecycle).

Both hosts use these: rclpy's own life cycle ends the process at a transition that cannot be.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from personaplex_ros.node.conversation import Conversation
from personaplex_ros.node.hosts.bus import RELIABLE, Bus
from personaplex_ros.remedies import with_remedy

# Identifiers and labels as in lifecycle_msgs/State and lifecycle_msgs/Transition.
STATES = {"unconfigured": 1, "inactive": 2, "active": 3, "finalized": 4}
TRANSITION_STATES = {
    "configuring": 10,
    "cleaningup": 11,
    "shuttingdown": 12,
    "activating": 13,
    "deactivating": 14,
}


@dataclass(frozen=True)
class Transition:
    """One edge that a client may ask for; `by_way_of` is the state while it happens."""

    id: int
    label: str
    start: str
    goal: str
    by_way_of: str


TRANSITIONS = (
    Transition(1, "configure", "unconfigured", "inactive", "configuring"),
    Transition(2, "cleanup", "inactive", "unconfigured", "cleaningup"),
    Transition(3, "activate", "inactive", "active", "activating"),
    Transition(4, "deactivate", "active", "inactive", "deactivating"),
    Transition(5, "shutdown", "unconfigured", "finalized", "shuttingdown"),
    Transition(6, "shutdown", "inactive", "finalized", "shuttingdown"),
    Transition(7, "shutdown", "active", "finalized", "shuttingdown"),
)


class Lifecycle:
    """Drives a conversation by ~/change_state, one transition at a time."""

    def __init__(self, bus: Bus, conversation: Conversation) -> None:
        self._bus = bus
        self._conversation = conversation
        self._lock = threading.Lock()
        self._state = "unconfigured"
        self._event = bus.message("lifecycle_msgs/msg/TransitionEvent")
        self._state_class = bus.message("lifecycle_msgs/msg/State")
        self._description = bus.message("lifecycle_msgs/msg/TransitionDescription")
        self._events = bus.advertise(
            "~/transition_event", "lifecycle_msgs/msg/TransitionEvent", RELIABLE
        )
        for name, type_name, handler in (
            ("~/get_state", "GetState", self._on_get_state),
            ("~/change_state", "ChangeState", self._on_change_state),
            ("~/get_available_states", "GetAvailableStates", self._on_states),
            ("~/get_available_transitions", "GetAvailableTransitions", self._on_available),
            ("~/get_transition_graph", "GetAvailableTransitions", self._on_graph),
        ):
            # A transition may take a minute: the others answer meanwhile.
            slow = name == "~/change_state"
            bus.serve(name, f"lifecycle_msgs/srv/{type_name}", handler, slow=slow)

    @property
    def state(self) -> str:
        """Return the present state's label."""
        return self._state

    def change(self, label: str = "", number: int = 0) -> bool:
        """Make the transition of this label, or of this id; False if it cannot be or failed."""
        if not self._lock.acquire(blocking=False):
            self._bus.log("warn", f"refused transition {label or number} while {self._state}")
            return False
        try:
            possible = [t for t in TRANSITIONS if t.start == self._state]
            # As in rcl_lifecycle: a label, where there is one, goes before the id.
            edge = next(
                (t for t in possible if (t.label == label if label else t.id == number)), None
            )
            if edge is None:
                self._refuse(label or str(number), possible)
                return False
            return self._make(edge)
        finally:
            self._lock.release()

    def _refuse(self, wanted: str, possible: Sequence[Transition]) -> None:
        choice = ", ".join(f"{t.label} ({t.id})" for t in possible) or "none"
        self._bus.log(
            "warn", f"refused transition {wanted} in state {self._state}; possible: {choice}"
        )

    def _make(self, edge: Transition) -> bool:
        action: Callable[[], None] = getattr(self._conversation, edge.label)
        self._go(edge, edge.by_way_of)
        try:
            action()
        except Exception as error:
            self._bus.log("error", f"{edge.label} failed: {with_remedy(error)}")
            self._go(edge, edge.start)
            return False
        self._go(edge, edge.goal)
        return True

    def _go(self, edge: Transition, state: str) -> None:
        before, self._state = self._state, state
        event = self._event()
        event.timestamp = time.time_ns()
        event.transition.id, event.transition.label = edge.id, edge.label
        _fill(event.start_state, before)
        _fill(event.goal_state, state)
        self._events.publish(event)

    def _on_get_state(self, request: Any, response: Any) -> Any:
        _fill(response.current_state, self._state)
        return response

    def _on_change_state(self, request: Any, response: Any) -> Any:
        wanted = request.transition
        response.success = self.change(wanted.label, wanted.id)
        return response

    def _on_states(self, request: Any, response: Any) -> Any:
        response.available_states = [
            _fill(self._state_class(), label) for label in (*STATES, *TRANSITION_STATES)
        ]
        return response

    def _on_available(self, request: Any, response: Any) -> Any:
        possible = [t for t in TRANSITIONS if t.start == self._state]
        response.available_transitions = [self._describe(t) for t in possible]
        return response

    def _on_graph(self, request: Any, response: Any) -> Any:
        response.available_transitions = [self._describe(t) for t in TRANSITIONS]
        return response

    def _describe(self, transition: Transition) -> Any:
        description = self._description()
        description.transition.id = transition.id
        description.transition.label = transition.label
        _fill(description.start_state, transition.start)
        _fill(description.goal_state, transition.goal)
        return description


def _fill(state: Any, label: str) -> Any:
    state.id = {**STATES, **TRANSITION_STATES}[label]
    state.label = label
    return state
