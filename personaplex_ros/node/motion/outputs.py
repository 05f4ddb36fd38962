"""What else pauses with motion_hold: ros2_control's speed scaling and Nav2's pause services."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Protocol

from personaplex_ros.node.hosts.bus import LATCHED, Bus
from personaplex_ros.node.motion.pause_requests import PauseRequests, Request
from personaplex_ros.node.parameters.definition import ParameterError
from personaplex_ros.node.parameters.table import Parameters

SPEED_SCALING = "control_msgs/msg/SpeedScalingFactor"
TRIGGER = "std_srvs/srv/Trigger"


@dataclass(frozen=True)
class MotionSnapshot:
    """What diagnostics tell of the pause services."""

    paused: bool
    problems: int
    last_problem: str


class HoldFollower(Protocol):
    """Something that pauses and goes on with motion_hold."""

    def follow(self, hold: bool) -> None:
        """Take the state, at every change and repeatedly; any thread, never blocks."""

    def close(self) -> None:
        """Stop."""


class SpeedScaling:
    """Sends 0.0 at the begin of a hold and `factor` at its end and at the start, latched.

    It is not repeated: another source, such as a slider, may set the speed between two holds.
    """

    def __init__(self, bus: Bus, topic: str, factor: float) -> None:
        try:
            self._message = bus.message(SPEED_SCALING)
        except LookupError as error:
            raise ParameterError(
                f"speed_scaling_topic is {topic!r}, but {error} (control_msgs of ROS 2 Jazzy or "
                "later), or leave the parameter empty"
            ) from error
        self._publisher = bus.advertise(topic, SPEED_SCALING, LATCHED)
        self._factor = factor
        self._hold: bool | None = None

    def follow(self, hold: bool) -> None:
        """Publish a change."""
        if hold != self._hold:
            self._hold = hold
            message = self._message()
            message.factor = 0.0 if hold else self._factor
            self._publisher.publish(message)

    def close(self) -> None:
        """Close the topic; the last factor stands."""
        self._publisher.close()


class PauseServices:
    """Calls one service when a hold begins and another when it ends."""

    def __init__(self, bus: Bus, pause: str, resume: str) -> None:
        self._bus = bus
        self._names: dict[Request, str] = {"pause": pause, "resume": resume}
        self._clients = {
            "pause": bus.client(pause, TRIGGER),
            "resume": bus.client(resume, TRIGGER),
        }
        self._request: Any = bus.message(TRIGGER).Request  # type: ignore[attr-defined]
        self._lock = threading.Lock()
        self._requests = PauseRequests()
        self._hold = False
        self._logged = ""

    def follow(self, hold: bool) -> None:
        """Ask what is to be asked; an answer is never waited for."""
        clients = self._clients.values()
        ready = all(client.ready() for client in clients)
        obstacle = "" if ready else next(filter(None, (c.obstacle() for c in clients)), "")
        with self._lock:
            self._hold = hold
            request = self._requests.next(hold, ready, time.monotonic(), obstacle)
        if request is not None:
            try:
                self._clients[request].call(self._request(), self._answered)
            except RuntimeError as error:  # a server of another vendor has come just now
                with self._lock:
                    self._requests.answered(False, str(error), time.monotonic())
        self._report()

    def snapshot(self) -> MotionSnapshot:
        """Return what to tell of it."""
        with self._lock:
            requests = self._requests
            return MotionSnapshot(requests.paused, requests.problems, requests.last_problem)

    def close(self) -> None:
        """Close both clients."""
        for client in self._clients.values():
            client.close()

    def _answered(self, response: Any) -> None:
        with self._lock:
            self._requests.answered(bool(response.success), response.message, time.monotonic())
            hold = self._hold
        self.follow(hold)

    def _report(self) -> None:
        """Log a problem when it is another than the last one; diagnostics count them all."""
        problem = self.snapshot().last_problem
        if problem != self._logged:
            self._logged = problem
            names = f"{self._names['pause']} and {self._names['resume']}"
            self._bus.log("error", f"motion_hold by {names}: {problem}")


class MotionOutputs:
    """The outputs that the parameters ask for; `pause_services` is None without them."""

    def __init__(self, bus: Bus, parameters: Parameters) -> None:
        """Open them; raises ParameterError naming the parameter and the remedy."""
        pause, resume = parameters.nav2_pause_service, parameters.nav2_resume_service
        if bool(pause) != bool(resume):
            raise ParameterError(
                f"nav2_pause_service is {pause!r} and nav2_resume_service {resume!r}; "
                "set both, or neither"
            )
        self._open = ExitStack()
        self._followers: list[HoldFollower] = []
        self.pause_services: PauseServices | None = None
        if parameters.speed_scaling_topic:
            self._add(
                SpeedScaling(bus, parameters.speed_scaling_topic, parameters.speed_scaling_factor)
            )
        if pause:
            self.pause_services = PauseServices(bus, pause, resume)
            self._add(self.pause_services)

    def _add(self, follower: HoldFollower) -> None:
        self._followers.append(follower)
        self._open.callback(follower.close)

    def follow(self, hold: bool) -> None:
        """Pass motion_hold on."""
        for follower in self._followers:
            follower.follow(hold)

    def snapshot(self) -> MotionSnapshot | None:
        """Return what diagnostics tell, if there are pause services."""
        return None if self.pause_services is None else self.pause_services.snapshot()

    def close(self) -> None:
        """Close them."""
        self._open.close()
