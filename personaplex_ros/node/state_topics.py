"""motion_hold, user_speaking, robot_speaking and engaged: latched, and repeated at a fixed rate."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from personaplex_ros.node.hosts.bus import LATCHED, Bus


@dataclass(frozen=True)
class TurnState:
    """Who speaks now, whether they converse, and whether the robot's motion should wait."""

    user_speaking: bool = False
    robot_speaking: bool = False
    engaged: bool = False
    hold: bool = False


TOPICS = {
    "motion_hold": "hold",
    "user_speaking": "user_speaking",
    "robot_speaking": "robot_speaking",
    "engaged": "engaged",
}


class StateTopics:
    """Speaks from the node's start to its end, so that a waiting twist_mux is never left alone.

    Behaviour trees keep a message for one tick and a mux locks when none comes: so the state is
    repeated from a timer, which a stalled model does not hold up; `hold_timeout_s` after the last
    word from the model a hold ends here, as nobody else would end it.
    """

    def __init__(self, bus: Bus, rate_hz: float, hold_timeout_s: float) -> None:
        self._bool = bus.message("std_msgs/msg/Bool")
        self._publishers = {
            topic: bus.advertise(topic, "std_msgs/msg/Bool", LATCHED) for topic in TOPICS
        }
        self._lock = threading.Lock()
        self._state = TurnState()
        self._trusted_until = 0.0
        self.hold_timeout_s = hold_timeout_s
        self._followers: list[Callable[[TurnState], None]] = []
        self._repeat()
        self._timer = bus.every(1.0 / rate_hz, self._repeat)

    @property
    def state(self) -> TurnState:
        """Return what was last set."""
        return self._state

    def set(self, state: TurnState) -> None:
        """Take the state after a frame, from any thread; what changed is published at once."""
        with self._lock:
            before, self._state = self._state, state
            self._trusted_until = time.monotonic() + self.hold_timeout_s
            for topic, attribute in TOPICS.items():
                if getattr(state, attribute) != getattr(before, attribute):
                    self._publish(topic)
            if state != before:
                self._tell_followers()

    def follow(self, follower: Callable[[TurnState], None]) -> None:
        """Tell `follower` the state now, at every change and repeatedly; it must not block."""
        with self._lock:
            self._followers.append(follower)
            follower(self._trusted())

    def unfollow(self, follower: Callable[[TurnState], None]) -> None:
        """Tell it nothing more."""
        with self._lock:
            self._followers.remove(follower)

    def clear(self) -> None:
        """Say that nobody speaks and nothing holds."""
        self.set(TurnState())

    def _repeat(self) -> None:
        with self._lock:
            for topic in TOPICS:
                self._publish(topic)
            self._tell_followers()

    def _tell_followers(self) -> None:
        for follower in self._followers:
            follower(self._trusted())

    def _trusted(self) -> TurnState:
        hold = self._state.hold and time.monotonic() < self._trusted_until
        return replace(self._state, hold=hold)

    def _publish(self, topic: str) -> None:
        message = self._bool()
        message.data = getattr(self._trusted(), TOPICS[topic])
        self._publishers[topic].publish(message)

    def close(self) -> None:
        """Say a last time that nobody speaks and nothing holds, then stop."""
        self._timer.close()
        self.clear()
        for publisher in self._publishers.values():
            publisher.close()
