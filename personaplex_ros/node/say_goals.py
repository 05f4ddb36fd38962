"""The action ~/say: goals in, sentences to the model, word by word back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from personaplex_ros.engine import Saying, Session, SharedSession
from personaplex_ros.node.bus import Bus, Goal, Outcome
from personaplex_ros.node.messages import set_time

SAY = "personaplex_ros/action/Say"
TAIL_FRAMES = 12
"""For how long the end of a sentence may sound on before the goal is ended, 0.96 s."""


@dataclass
class _Ending:
    """How the goal will end when the robot is silent."""

    outcome: Outcome
    message: str
    frames: int = 0


class SayGoals:
    """The goal that the robot is speaking now; used between frames, by the model's thread."""

    def __init__(self, bus: Bus, session: Session | SharedSession) -> None:
        self._session = session
        self._type: Any = bus.message(SAY)
        self._goal: Goal | None = None
        self._saying: Saying | None = None
        self._told = 0
        self._ending: _Ending | None = None

    def begin(self, goal: Goal) -> None:
        """Say what a goal asks for; the one before it is aborted."""
        try:
            saying = self._session.say(goal.request.text)
        except ValueError as error:
            refuse(self._type, goal, str(error))
            return
        self.end("another sentence took its place")
        self._goal, self._saying, self._told, self._ending = goal, saying, 0, None

    def follow(self, heard_ns: int, robot_speaking: bool) -> None:
        """Tell what a frame brought, which is heard from `heard_ns` on."""
        goal, saying = self._goal, self._saying
        if goal is None or saying is None:
            return
        while self._told < saying.spoken:
            self._tell(goal, saying.words, heard_ns)
        if self._ending is None:
            self._ending = self._judge(goal, saying)
        if self._ending is None:
            return
        self._ending.frames += 1
        if not robot_speaking or self._ending.frames > TAIL_FRAMES:
            self._end(self._ending)

    def end(self, why: str) -> None:
        """Abort what is being said, if anything."""
        self._end(_Ending("aborted", why))

    def _judge(self, goal: Goal, saying: Saying) -> _Ending | None:
        if goal.cancel_requested and not saying.ended:
            self._session.hush()
            return _Ending("canceled", "it was cancelled")
        if saying.cancelled:
            return _Ending("aborted", "the conversation began anew")
        return _Ending("succeeded", "") if saying.ended else None

    def _tell(self, goal: Goal, words: tuple[str, ...], heard_ns: int) -> None:
        feedback = self._type.Feedback()
        feedback.word = words[self._told]
        feedback.index, feedback.count = self._told, len(words)
        set_time(feedback.stamp, heard_ns)
        goal.feedback(feedback)
        self._told += 1

    def _end(self, ending: _Ending) -> None:
        goal, saying = self._goal, self._saying
        self._goal = self._saying = None
        if goal is None or saying is None:
            return
        result = self._type.Result()
        result.success = ending.outcome == "succeeded"
        result.message = ending.message
        result.spoken = " ".join(saying.words[: self._told])
        goal.end(ending.outcome, result)


def refuse(say_type: Any, goal: Goal, why: str) -> None:
    """Abort a goal of which nothing was said."""
    result = say_type.Result()
    result.message = why
    goal.end("aborted", result)
