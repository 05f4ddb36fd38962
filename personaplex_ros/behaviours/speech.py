"""Letting the robot say sentences, over either host."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from personaplex_ros.node.hosts.bus import Bus, SentGoal
from personaplex_ros.node.requests.say_action import SAY

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
        why = {"rejected": REJECTED}.get(outcome) or getattr(result, "message", "") or outcome
        self.message = "" if outcome == "succeeded" else why
        self.success = outcome == "succeeded"


class Speech:
    """The calling end of the node's action `say`."""

    def __init__(self, bus: Bus, action: str = "personaplex/say") -> None:
        self._action = action
        self._type: Any = bus.message(SAY)
        self._client = bus.action_client(action, SAY)

    def say(self, text: str) -> Spoken:
        """Begin to say a text, in place of what is being said; returns at once.

        Without a node to say it, it has failed at once.
        """
        spoken = Spoken()
        if not self._client.ready():
            spoken.message = f"nobody serves the action {self._action}: is the node there?"
            spoken.success = False
            return spoken
        spoken.goal = self._client.send(self._type.Goal(text=text), spoken.heard, spoken.ended)
        return spoken

    def close(self) -> None:
        """Close the client."""
        self._client.close()
