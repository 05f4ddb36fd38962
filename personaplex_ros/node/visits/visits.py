"""When a conversation begins anew by itself, and when a greeting is said: between two frames."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from personaplex_ros.node.hosts.bus import Bus, Goal, Outcome
from personaplex_ros.node.parameters.table import Parameters
from personaplex_ros.node.parameters.visits import ON_ENGAGEMENT
from personaplex_ros.node.requests.say_goals import SayGoals
from personaplex_ros.node.visits.greeting import Greeting
from personaplex_ros.node.visits.quiet import Quiet
from personaplex_ros.turns import TurnUpdate
from personaplex_ros.turns.events import ENGAGEMENT_ENDED

QUIET_FRAMES = 12
"""For how long nobody must have spoken before a conversation begins anew by itself, 0.96 s."""
STALE_S = 2.0
"""Age at which a greeting comes too late."""


@dataclass
class VisitCounters:
    """What was counted since the node was activated; texts are empty as long as there is none."""

    conversations: int = 1
    begun_because: str = ""
    greetings: int = 0
    dropped_greetings: int = 0
    last_greeting: str = ""


class Visits:
    """Follows one robot's visitors; for the model's thread, except `greet`.

    A conversation is fresh as long as nobody was engaged in it and the robot has said nothing.
    """

    def __init__(
        self,
        bus: Bus,
        goals: SayGoals,
        say: Callable[[Goal], None],
        begin: Callable[[str], None],
    ) -> None:
        """Remember how to say a sentence, and how to begin a conversation for a reason."""
        self._bus, self._goals, self._say, self._begin = bus, goals, say, begin
        self._quiet = Quiet()
        self._due = False
        self._fresh = True
        self._asked: tuple[float, str] | None = None
        self.counters = VisitCounters()

    def greet(self, text: str) -> None:
        """Ask for a greeting, empty for that of the parameters; any thread."""
        self._asked = (time.monotonic(), text)

    def begun(self, why: str) -> None:
        """Take note that a conversation begins."""
        self._due, self._fresh = False, True
        self.counters.conversations += 1
        self.counters.begun_because = why

    def follow(self, update: TurnUpdate, parameters: Parameters) -> None:
        """Take a frame's update, and do what is to be done now."""
        self._quiet.follow(update)
        renews = parameters.new_conversation == ON_ENGAGEMENT
        if update.engaged or update.robot_speaking:
            self._fresh = False
        if any(event.kind == ENGAGEMENT_ENDED for event in update.events):
            self._due = True
        self._due = self._due and renews and not update.engaged  # else somebody new is here
        if self._due and self._quiet.frames >= QUIET_FRAMES and not self._goals.busy:
            self._begin_anew("the engagement has ended")
        asked, self._asked = self._asked, None
        if asked is not None:
            at, text = asked
            self._answer(at, text or parameters.greeting, update, renews)

    def _answer(self, asked_at: float, text: str, update: TurnUpdate, renews: bool) -> None:
        obstacle = self._obstacle(update)
        if time.monotonic() - asked_at > STALE_S:
            obstacle = "the model was busy for too long"
        if not text:
            obstacle = "there is no text, and the parameter greeting is empty"
        if obstacle:
            self._drop(text, obstacle)
            return
        if renews and not self._fresh:
            self._begin_anew("somebody has come")
        self._fresh = False
        self.counters.greetings += 1
        self.counters.last_greeting = text
        self._say(Greeting(text, lambda: self._quiet.user_speaks, self._ended))

    def _obstacle(self, update: TurnUpdate) -> str:
        if self._quiet.user_speaks or update.engaged:
            return "somebody is talking with the robot"
        if self._goals.busy or update.robot_speaking:
            return "the robot is speaking"
        return ""

    def _begin_anew(self, why: str) -> None:
        self._begin(why)
        self._bus.log("info", f"began a new conversation: {why}")

    def _ended(self, outcome: Outcome, why: str, spoken: str) -> None:
        if outcome == "canceled":
            self._bus.log("info", f"the greeting gave way to a person, after {spoken!r}")
        elif outcome == "aborted" and not spoken:
            self.counters.greetings -= 1
            self._drop(self.counters.last_greeting, why)

    def _drop(self, text: str, why: str) -> None:
        self.counters.dropped_greetings += 1
        self._bus.log("warn", f"the greeting {text!r} was dropped: {why}")
