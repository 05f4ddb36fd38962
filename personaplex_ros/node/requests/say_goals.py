"""The action ~/say: goals in, sentences to the model, word by word back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from personaplex_ros.conversing import AnySession, Saying
from personaplex_ros.node.hosts.bus import Bus, Goal, Outcome
from personaplex_ros.node.hosts.messages import set_time
from personaplex_ros.node.requests.say_action import SAY

TAIL_FRAMES = 12
"""For how long the end of a sentence may sound on before the goal is ended, 0.96 s."""


@dataclass
class _Ending:
    """How the goal will end when the robot is silent."""

    outcome: Outcome
    message: str
    frames: int = 0


@dataclass
class _Spoken:
    """The goal that is being spoken, and of how many words the client was told."""

    goal: Goal
    saying: Saying
    told: int = 0
    ending: _Ending | None = None


class SayGoals:
    """Speaks one goal at a time; used between frames, by the model's thread."""

    def __init__(self, bus: Bus, session: AnySession) -> None:
        self._bus = bus
        self._session = session
        self._type: Any = bus.message(SAY)
        self._now: _Spoken | None = None

    @property
    def busy(self) -> bool:
        """Whether a sentence is being said."""
        return self._now is not None

    def begin(self, goal: Goal) -> None:
        """Say what a goal asks for; the one before it is aborted."""
        try:
            saying = self._session.say(goal.request.text)
        except ValueError as error:
            refuse(self._type, goal, str(error))
            return
        if saying.left_out:
            self._bus.log("warn", f"~/say leaves out {saying.left_out}")
        self.end("another sentence took its place")
        self._now = _Spoken(goal, saying)

    def follow(self, heard_ns: int, robot_speaking: bool) -> None:
        """Tell what a frame brought, which is heard from `heard_ns` on."""
        now = self._now
        if now is None:
            return
        while now.told < now.saying.spoken:
            self._tell(now, heard_ns)
        now.ending = now.ending or self._judge(now)
        if now.ending is None:
            return
        now.ending.frames += 1
        if not robot_speaking or now.ending.frames > TAIL_FRAMES:
            self._end(now.ending)

    def break_off(self, why: str) -> None:
        """Say no more of what is being said, and abort it when the robot is silent."""
        now = self._now
        if now is not None and now.ending is None and not now.saying.ended:
            self._session.go_on()
            now.ending = _Ending("aborted", why)

    def end(self, why: str) -> None:
        """Abort what is being said, if anything."""
        self._end(_Ending("aborted", why))

    def _judge(self, now: _Spoken) -> _Ending | None:
        if now.goal.cancel_requested and not now.saying.ended:
            self._session.hush()
            return _Ending("canceled", "it was cancelled")
        if now.saying.cancelled:
            return _Ending("aborted", "the conversation began anew")
        return _Ending("succeeded", "") if now.saying.ended else None

    def _tell(self, now: _Spoken, heard_ns: int) -> None:
        feedback = self._type.Feedback()
        feedback.word = now.saying.words[now.told]
        feedback.index, feedback.count = now.told, len(now.saying.words)
        set_time(feedback.stamp, heard_ns)
        now.goal.feedback(feedback)
        now.told += 1

    def _end(self, ending: _Ending) -> None:
        now, self._now = self._now, None
        if now is not None:
            spoken = " ".join(now.saying.words[: now.told])
            _answer(self._type, now.goal, ending.outcome, ending.message, spoken)


def refuse(say_type: Any, goal: Goal, why: str) -> None:
    """Abort a goal of which nothing was said."""
    _answer(say_type, goal, "aborted", why, "")


def _answer(say_type: Any, goal: Goal, outcome: Outcome, message: str, spoken: str) -> None:
    result = say_type.Result()
    result.success = outcome == "succeeded"
    result.message, result.spoken = message, spoken
    goal.end(outcome, result)
