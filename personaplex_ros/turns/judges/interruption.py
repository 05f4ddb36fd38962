"""What a person's sound means that begins while the robot speaks, and how it ends."""

from __future__ import annotations

from dataclasses import dataclass

from ..detection.gate import Change, Instant, Stretch
from ..events import (
    BACKCHANNEL,
    CONFIRMED,
    INTERRUPTION,
    INTERRUPTION_RESOLVED,
    ROBOT_KEPT_FLOOR,
    ROBOT_SILENCED,
    ROBOT_YIELDED,
    SUSPECTED,
)
from ..parameters import ASSIST, TurnParameters, nanoseconds
from .moment import Moment, Verdict


@dataclass
class BreakIn:
    """A person's stretch of speech that began within the robot's.

    Both stretches go on growing while they last. episode: its number, once something was told.
    suspected, confirmed: what was told of it; confirmed holds when. ended: the person has stopped.
    silenced: the stretch in which the robot was helped to fall silent. outcome: whether it yielded
    or kept the floor, once that is known.
    """

    user: Stretch
    robot: Stretch
    episode: int = 0
    suspected: bool = False
    confirmed: Instant | None = None
    ended: bool = False
    silenced: Stretch | None = None
    outcome: str = ""


class InterruptionJudge:
    """Tells interruptions and backchannels apart and follows an interruption to its end.

    `TurnTracker` states the rules. One interruption is followed at a time: what the person says
    before it is resolved belongs to it.
    """

    def __init__(self, parameters: TurnParameters) -> None:
        self._long_active_ns = nanoseconds(parameters.interruption_min_s)
        self._long_span_ns = nanoseconds(parameters.backchannel_max_s)
        self._overlap_ns = nanoseconds(parameters.overlap_min_s)
        self._yield_ns = nanoseconds(parameters.robot_yield_window_s)
        self._lapse_ns = nanoseconds(parameters.long_silence_s)
        self._assists = parameters.yield_ == ASSIST
        self._patience_ns = nanoseconds(parameters.yield_after_s)
        self._break_in: BreakIn | None = None

    def judges(self, stretch: Stretch) -> bool:
        """Whether that stretch of the person is, or may be, part of an interruption."""
        it = self._break_in
        return it is not None and (it.confirmed is not None or it.user is stretch)

    def judge(self, moment: Moment) -> list[Verdict]:
        """Return what can be decided after a window."""
        edge = moment.user_edge
        verdicts: list[Verdict] = []
        if edge is not None and edge.change in (Change.SUSPECTED, Change.STARTED):
            if not self.judges(edge.stretch):
                verdicts += self.finish()
                self._break_in = _begin(edge.stretch, moment)
        steps = (self._judge_meaning, self._judge_help, self._judge_outcome, self._judge_end)
        for step in steps:
            if self._break_in is not None:
                verdicts += step(self._break_in, moment)
        return verdicts

    def finish(self) -> list[Verdict]:
        """End what is open, as at the end of a conversation."""
        it = self._break_in
        return [] if it is None else self._close(it, it.user.end)

    def _judge_meaning(self, it: BreakIn, moment: Moment) -> list[Verdict]:
        if it.confirmed:
            return []
        edge, user, robot = moment.user_edge, it.user, it.robot
        if edge is not None and edge.stretch is user:
            if edge.change is Change.DROPPED:
                return self._close(it, edge.at)
            it.ended = edge.change is Change.STOPPED
        robot_over = not moment.robot_speaks_in(robot)
        common_end = min(user.end, robot.end, key=lambda end: end.heard_ns)
        common_ns = moment.robot_heard.active_ns(user.onset, common_end)
        long = user.active_ns >= self._long_active_ns or user.span_ns >= self._long_span_ns
        verdicts: list[Verdict] = []
        if common_ns > 0 and not (it.suspected or it.ended or robot_over or long):
            it.episode, it.suspected = moment.new_episode(), True
            verdicts.append(self._tell(it, INTERRUPTION, user.onset, state=SUSPECTED))
        if long and common_ns >= self._overlap_ns:
            it.episode, it.confirmed = it.episode or moment.new_episode(), moment.now
            return [*verdicts, self._tell(it, INTERRUPTION, user.onset)]
        if it.ended and not long:
            if moment.robot_heard.active_ns(user.end, robot.end) >= self._overlap_ns:
                it.episode = it.episode or moment.new_episode()
                self._break_in = None
                revises = INTERRUPTION if it.suspected else ""
                return [*verdicts, self._tell(it, BACKCHANNEL, user.onset, revises=revises)]
        if (it.ended and (long or robot_over)) or (robot_over and common_ns < self._overlap_ns):
            return verdicts + self._close(it, user.end)
        return verdicts

    def _judge_help(self, it: BreakIn, moment: Moment) -> list[Verdict]:
        """Ask for help, once in a stretch of the robot's, where it talks over the person.

        That is the stretch that was broken into, and, once it was silenced, also one in which it
        begins anew before the person has ended. A person who has fallen silent has maybe only said
        a long "mhm", which a robot need not stop for.
        """
        robot = moment.robot.stretch
        if not self._assists or it.confirmed is None or robot is None or robot is it.silenced:
            return []
        concerned = robot is it.robot or it.silenced is not None
        both_sound = moment.robot.speaking and moment.robot.active and moment.user.active
        since = it.confirmed if robot is it.robot else robot.onset
        due = moment.now.heard_ns >= since.heard_ns + self._patience_ns
        if not (concerned and both_sound and due):
            return []
        it.silenced = robot
        return [self._tell(it, ROBOT_SILENCED, moment.now)]

    def _judge_outcome(self, it: BreakIn, moment: Moment) -> list[Verdict]:
        if not it.confirmed or it.outcome:
            return []
        limit = it.user.onset.later(self._yield_ns)
        if it.robot.end.heard_ns > limit.heard_ns and it.silenced is None:
            it.outcome = ROBOT_KEPT_FLOOR
            return [self._tell(it, ROBOT_KEPT_FLOOR, limit)]
        if not moment.robot_speaks_in(it.robot):
            it.outcome = ROBOT_YIELDED
            return [self._tell(it, ROBOT_YIELDED, it.robot.end)]
        return []

    def _judge_end(self, it: BreakIn, moment: Moment) -> list[Verdict]:
        if not it.outcome or moment.user.speaking or moment.user.stretch is None:
            return []
        user_end = moment.user.stretch.end
        if it.outcome == ROBOT_KEPT_FLOOR:
            return self._close(it, user_end)
        answer = moment.robot.stretch
        if moment.robot.speaking and answer is not None and answer is not it.robot:
            return self._close(it, max(user_end, answer.onset, key=lambda at: at.heard_ns))
        lapsed_ns = moment.now.heard_ns - moment.last_end().heard_ns
        if not moment.robot.speaking and lapsed_ns >= self._lapse_ns:
            return self._close(it, moment.last_end())
        return []

    def _close(self, it: BreakIn, at: Instant) -> list[Verdict]:
        self._break_in = None
        if not (it.suspected or it.confirmed):
            return []
        revises = "" if it.confirmed else INTERRUPTION
        return [self._tell(it, INTERRUPTION_RESOLVED, at, revises=revises)]

    def _tell(
        self, it: BreakIn, kind: str, at: Instant, state: str = CONFIRMED, revises: str = ""
    ) -> Verdict:
        return Verdict(kind, at, it.user.confidence, it.episode, state, revises)


def _begin(user: Stretch, moment: Moment) -> BreakIn | None:
    """Return a break-in unless the robot's last stretch began after the person's.

    A stretch that ended before the person's began shares no sound with it, so nothing follows.
    """
    robot = moment.robot.stretch
    if robot is None or robot.onset.heard_ns > user.onset.heard_ns:
        return None
    return BreakIn(user, robot)
