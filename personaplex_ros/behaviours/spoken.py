"""A sentence that the robot was asked to say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from personaplex_ros.node.hosts.bus import SentGoal

REJECTED = "the robot cannot say this now; its log tells why"


@dataclass
class Spoken:
    """A sentence on its way: `success` is None while it is being said.

    words: those that began to be heard. message: why it was not said whole.
    """

    words: list[str] = field(default_factory=list)
    success: bool | None = None
    message: str = ""
    goal: SentGoal | None = None

    def cancel(self) -> None:
        """Let the robot fall silent after the word that it is in."""
        if self.success is None and self.goal is not None:
            self.goal.cancel()

    def heard(self, feedback: Any) -> None:
        """Take the feedback of a word."""
        self.words.append(feedback.word)

    def ended(self, outcome: str, result: Any) -> None:
        """Take the end."""
        why = getattr(result, "message", "") or {"rejected": REJECTED}.get(outcome) or outcome
        self.message = "" if outcome == "succeeded" else why
        self.success = outcome == "succeeded"
