"""Who has the floor, and the robot's backchannels, which leave it to the person."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from ..detection.gate import Change, Stretch
from ..events import (
    CONFIRMED,
    INTERRUPTION_RESOLVED,
    ROBOT_BACKCHANNEL,
    ROBOT_TAKEOVER,
    ROBOT_YIELDED,
    USER_TAKEOVER,
)
from ..parameters import TurnParameters, nanoseconds
from .moment import Moment, Verdict

Side = Literal["user", "robot"]


@dataclass
class _State:
    """holder: who spoke a turn last. user, robot: the stretch of each that is not judged yet.

    words: of the robot when it last fell silent; the words of a stretch come after it, some of them
    a little before its sound.
    """

    holder: Side | None = None
    user: Stretch | None = None
    robot: Stretch | None = None
    words: int = 0


class FloorJudge:
    """Tells takeovers of either side and the robot's backchannels; `TurnTracker` has the rules.

    A change of the floor by an interruption is told by robot_yielded and not once more here.
    """

    def __init__(self, parameters: TurnParameters) -> None:
        self._user_active_ns = nanoseconds(parameters.interruption_min_s)
        self._user_span_ns = nanoseconds(parameters.backchannel_max_s)
        self._robot_span_ns = nanoseconds(parameters.takeover_min_s)
        self._robot_words = parameters.takeover_min_words
        self._state = _State()

    def judge(self, moment: Moment, meanings: Iterable[Verdict], user_open: bool) -> list[Verdict]:
        """Return what can be decided after a window.

        meanings: what InterruptionJudge decided after it. user_open: whether it still judges the
        person's stretch.
        """
        state = self._state
        user_edge, robot_edge = moment.user_edge, moment.robot_edge
        if user_edge is not None and user_edge.change is Change.STARTED:
            state.user = user_edge.stretch
        if robot_edge is not None and robot_edge.change is Change.STARTED:
            state.robot = robot_edge.stretch
        for verdict in meanings:
            if verdict.kind == ROBOT_YIELDED:
                state.holder = "user"
            withdrawn = verdict.kind == INTERRUPTION_RESOLVED and verdict.revises
            if verdict.state == CONFIRMED and not withdrawn:
                state.user = None
        verdicts: list[Verdict] = []
        if state.user is not None and not user_open:
            verdicts += self._judge_user(state.user, moment)
        if state.robot is not None:
            verdicts += self._judge_robot(state.robot, moment)
        if robot_edge is not None and robot_edge.change is Change.STOPPED:
            state.words = moment.robot_words
        return verdicts

    def _judge_user(self, user: Stretch, moment: Moment) -> list[Verdict]:
        state = self._state
        over = not (moment.user.speaking and moment.user.stretch is user)
        long = user.active_ns >= self._user_active_ns or user.span_ns >= self._user_span_ns
        if not (over or long):
            return []
        before, state.holder, state.user = state.holder, "user", None
        if before != "robot":
            return []
        return [Verdict(USER_TAKEOVER, user.onset, user.confidence, moment.new_episode())]

    def _judge_robot(self, robot: Stretch, moment: Moment) -> list[Verdict]:
        state = self._state
        words = moment.robot_words - state.words
        over = not moment.robot_speaks_in(robot)
        long = robot.span_ns >= self._robot_span_ns or words >= self._robot_words
        if not (over or long):
            return []
        state.robot = None
        user = moment.user.stretch
        within = (
            moment.user.speaking and user is not None and user.onset.heard_ns < robot.onset.heard_ns
        )
        if not long and within:
            kind = ROBOT_BACKCHANNEL
        else:
            before, state.holder, kind = state.holder, "robot", ROBOT_TAKEOVER
            if before != "user":
                return []
        return [Verdict(kind, robot.onset, robot.confidence, moment.new_episode())]
