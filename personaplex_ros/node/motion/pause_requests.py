"""When to ask for a pause and when to resume: what Nav2's PauseResumeController answers, decided.

The controller lives in a behaviour tree. Its two services exist only while that tree does and
answer only while it is ticked, so a request can be answered late, or be lost with the tree; a new
tree begins resumed. It refuses to resume before its pause is complete, and to pause twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Request = Literal["pause", "resume"]

RETRY_S = 0.5
"""After a refusal, or while no server is there."""
PATIENCE_S = 2.0
"""An answer that takes longer counts as a problem; it is still waited for."""
RESUME_TRIES = 10
"""A pause that ended otherwise, as when navigation was cancelled, cannot be resumed."""


@dataclass
class PauseRequests:
    """Follows the hold with requests, one at a time; times in seconds of one monotonic clock.

    paused: whether the other side pauses because of us, as far as it told. A pause that somebody
    else began is not ours to resume. pending: the request whose answer is awaited.
    problems: how many came up, last_problem: what the last was.
    """

    paused: bool = False
    pending: Request | None = None
    problems: int = 0
    last_problem: str = ""
    _asked_at: float = 0.0
    _next_try: float = 0.0
    _refusals: int = 0
    _impatient: bool = False

    def next(self, hold: bool, ready: bool, now: float, obstacle: str = "") -> Request | None:
        """Return what to ask now; `ready` tells whether both servers can be asked.

        obstacle: why they cannot, if they are there.
        """
        if self.pending is not None:
            self._wait(ready, now)
            return None
        if hold == self.paused or now < self._next_try:
            return None
        request: Request = "pause" if hold else "resume"
        if not ready:
            self._next_try = now + RETRY_S
            self._problem(obstacle or f"no server to {request}")
            if not hold:
                self.paused = False
            return None
        self.pending, self._asked_at, self._impatient = request, now, False
        return request

    def answered(self, success: bool, message: str, now: float) -> None:
        """Take the answer to the pending request."""
        request, self.pending = self.pending, None
        if request is None:
            return
        if success:
            self.paused, self._refusals = request == "pause", 0
            return
        self._next_try = now + RETRY_S
        self._problem(f"refused to {request}: {message}")
        if request == "resume":
            self._refusals += 1
            if self._refusals >= RESUME_TRIES:
                self.paused, self._refusals = False, 0

    def _wait(self, ready: bool, now: float) -> None:
        if not ready:
            self._problem(f"the server went away before it answered to {self.pending}")
            self.pending, self.paused = None, False
        elif not self._impatient and now - self._asked_at >= PATIENCE_S:
            self._impatient = True
            self._problem(f"no answer to {self.pending} within {PATIENCE_S:g} s")

    def _problem(self, text: str) -> None:
        self.problems += 1
        self.last_problem = text
