"""Whether the model is within reach: what the threads on both sides know of a connection."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Literal

from personaplex_ros.conversing.link import Level, News
from personaplex_ros.tether.problems import LinkProblem

RECENT_NEWS = 50
WANTED_S = 5.0
"""Time since the last frame after which nobody wants a connection, as while the node is paused."""

NEVER = float("inf")

State = Literal["connecting", "opening", "talking", "waiting", "idle"]
"""waiting: for the next attempt; idle: for somebody who wants one."""


class Reach:
    """Written by the thread of the network and by that of the frames; read by any.

    The model is lost when for `lost_after_s` there was no connection with a persona that is ready,
    though one was wanted; a conversation that begins because it was asked for has time until
    something goes wrong.
    """

    def __init__(self, address: str, lost_after_s: float) -> None:
        self._address, self._lost_after_s = address, lost_after_s
        self._changed = threading.Condition()
        self._due_s = NEVER
        self._wanted_s = time.monotonic()
        self._lost_told = False
        self._news: deque[News] = deque(maxlen=RECENT_NEWS)
        self.state: State = "connecting"
        self.problem: LinkProblem | None = None
        self.losses = 0

    @property
    def wanted(self) -> bool:
        """Whether somebody talks with the model, or wants to."""
        return time.monotonic() - self._wanted_s <= WANTED_S

    def want(self) -> None:
        """Note that somebody talks with the model now."""
        now = time.monotonic()
        if not self.wanted and self.state != "talking":
            self._due_s = now + self._lost_after_s
        self._wanted_s = now

    def overdue(self, still_s: float) -> bool:
        """Tell whether the model is lost; still_s: how long nothing has come while talking."""
        if self.state == "talking":
            return still_s > self._lost_after_s
        return self.wanted and time.monotonic() > self._due_s

    def begins(self) -> None:
        """Note that another conversation is asked for."""
        with self._changed:
            self.state, self.problem = "connecting", None
            self._due_s = NEVER

    def becomes(self, state: State) -> None:
        """Note how far it is."""
        with self._changed:
            self.state = state

    def begun(self) -> None:
        """Note that the persona is ready."""
        with self._changed:
            self.state, self.problem, self._due_s = "talking", None, NEVER
            self._changed.notify_all()

    def failed(self, problem: LinkProblem) -> None:
        """Note why there is no connection, or none any more."""
        with self._changed:
            talked = self.state == "talking"
            if talked or self._due_s == NEVER:
                self._due_s = time.monotonic() + self._lost_after_s
            before, self.problem, self.state = self.problem, problem, "waiting"
            self._changed.notify_all()
        if str(before or "") != str(problem):
            self.tell("warn", f"the model at {self._address}: {problem}")

    def expect_begun(self, timeout_s: float) -> None:
        """Wait until the persona is ready, or cannot be made so now.

        Raises RuntimeError where the server refuses it.
        """

        def known() -> bool:
            problem = self.problem
            return self.state == "talking" or (problem is not None and not problem.otherwise)

        with self._changed:
            self._changed.wait_for(known, timeout_s)
            if self.problem is not None and self.problem.refused:
                raise RuntimeError(f"the server at {self._address}: {self.problem}")

    def tell(self, level: Level, text: str) -> None:
        """Have something logged."""
        self._news.append((level, text))

    def news(self, lost: bool) -> list[News]:
        """Return what is to be logged; lost: whether the model is."""
        if lost and not self._lost_told:
            self.losses += 1
            why = self.problem or "nothing comes from it"
            self.tell("error", f"the robot has lost its model at {self._address}: {why}")
        self._lost_told = lost
        told = []
        while self._news:
            told.append(self._news.popleft())
        return told
