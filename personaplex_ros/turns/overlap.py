"""What a person's sound means that begins while the robot speaks."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from .events import BACKCHANNEL, INTERRUPTION, ROBOT_YIELDED
from .gate import Edge, Instant, SpeechGate, Stretch, Window

HORIZON_NS = 30_000_000_000


class ActivityHistory:
    """The active stretches of the last 30 s of a stream, for asking how long it was heard."""

    def __init__(self) -> None:
        self._intervals: deque[tuple[int, int]] = deque()

    def add(self, window: Window) -> None:
        """Note an active window; what ended more than 30 s before it is forgotten."""
        begin, end = window.begin.heard_ns, window.end.heard_ns
        if self._intervals and self._intervals[-1][1] >= begin:
            begin = self._intervals.pop()[0]
        self._intervals.append((begin, end))
        while self._intervals[0][1] < end - HORIZON_NS:
            self._intervals.popleft()

    def active_ns(self, since: Instant, until: Instant) -> int:
        """Return for how long the stream was active between two instants."""
        return sum(
            max(0, min(end, until.heard_ns) - max(begin, since.heard_ns))
            for begin, end in self._intervals
        )


@dataclass(frozen=True)
class OverlapParameters:
    """Lengths in nanoseconds; `TurnParameters` explains them."""

    interruption_ns: int
    backchannel_ns: int
    overlap_ns: int
    yield_ns: int


@dataclass(frozen=True)
class Verdict:
    """What was decided: a kind of TurnEvent, when it happened, and how sure it is (0 to 1)."""

    kind: str
    onset: Instant
    confidence: float


@dataclass
class Overlap:
    """A person's stretch of speech that began within the robot's, of unknown meaning.

    Both stretches go on growing while they last. `ended`: the person has stopped.
    """

    user: Stretch
    robot: Stretch
    ended: bool = False


@dataclass(frozen=True)
class OpenInterruption:
    """An interruption to which the robot may still yield."""

    onset: Instant
    robot: Stretch
    confidence: float


class OverlapJudge:
    """Tells interruptions, backchannels and yielding apart; `TurnTracker` states the rules."""

    def __init__(self, parameters: OverlapParameters) -> None:
        self._parameters = parameters
        self._robot_history = ActivityHistory()
        self._overlap: Overlap | None = None
        self._interruption: OpenInterruption | None = None

    def hear_robot(self, window: Window) -> None:
        """Note a window in which the robot was active."""
        self._robot_history.add(window)

    def judge(self, user: SpeechGate, robot: SpeechGate, edge: Edge | None) -> list[Verdict]:
        """Decide what can be decided; `edge` is the one that the user's gate just reported."""
        if edge is not None and edge.started:
            self._overlap = _begin_overlap(user, robot)
        elif edge is not None and self._overlap is not None:
            self._overlap.ended = True
        verdicts = []
        if self._overlap is not None:
            verdicts += self._judge_overlap(self._overlap)
        if self._interruption is not None:
            verdicts += self._judge_yield(self._interruption, robot)
        return verdicts

    def _judge_overlap(self, overlap: Overlap) -> list[Verdict]:
        user, limits = overlap.user, self._parameters
        long = user.active_ns >= limits.interruption_ns or user.span_ns >= limits.backchannel_ns
        if not overlap.ended:
            common_end = min(user.end, overlap.robot.end, key=lambda end: end.heard_ns)
            if not long or self._heard(user.onset, common_end) < limits.overlap_ns:
                return []
            self._overlap = None
            self._interruption = OpenInterruption(user.onset, overlap.robot, user.confidence)
            return [Verdict(INTERRUPTION, user.onset, user.confidence)]
        if not long and self._heard(user.end, overlap.robot.end) >= limits.overlap_ns:
            self._overlap = None
            return [Verdict(BACKCHANNEL, user.onset, user.confidence)]
        return []

    def _judge_yield(self, interruption: OpenInterruption, robot: SpeechGate) -> list[Verdict]:
        if robot.speaking and robot.stretch is interruption.robot:
            return []
        self._interruption = None
        end = interruption.robot.end
        if end.heard_ns - interruption.onset.heard_ns > self._parameters.yield_ns:
            return []
        return [Verdict(ROBOT_YIELDED, end, interruption.confidence)]

    def _heard(self, since: Instant, until: Instant) -> int:
        return self._robot_history.active_ns(since, until)


def _begin_overlap(user: SpeechGate, robot: SpeechGate) -> Overlap | None:
    """Return the overlap unless the robot's last stretch began after the user's.

    A stretch that ended before the user's began shares no sound with it, so nothing follows.
    """
    if user.stretch is None or robot.stretch is None:
        return None
    if robot.stretch.onset.heard_ns > user.stretch.onset.heard_ns:
        return None
    return Overlap(user.stretch, robot.stretch)
