"""What the judges of turn-taking look at, and what they answer."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from ..detection.gate import Edge, Instant, SpeechGate, Stretch, Window
from ..events import CONFIRMED

HORIZON_NS = 30_000_000_000


@dataclass(frozen=True)
class Verdict:
    """What was decided; the fields are those of TurnEvent."""

    kind: str
    onset: Instant
    confidence: float
    episode: int
    state: str = CONFIRMED
    revises: str = ""


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


@dataclass
class Moment:
    """Both sides after a window.

    now: end of the person's last window. user_edge, robot_edge: the edge that the window decided
    on its side. robot_words: words that the robot has begun in the conversation. episodes: numbers
    given out so far. robot_heard: when the robot was active.
    """

    user: SpeechGate
    robot: SpeechGate
    now: Instant = field(default_factory=lambda: Instant(0, 0))
    user_edge: Edge | None = None
    robot_edge: Edge | None = None
    robot_words: int = 0
    episodes: int = 0
    robot_heard: ActivityHistory = field(default_factory=ActivityHistory)

    def new_episode(self) -> int:
        """Return the number of a new episode."""
        self.episodes += 1
        return self.episodes

    def robot_speaks_in(self, stretch: Stretch) -> bool:
        """Whether the robot still speaks in that stretch, pauses included."""
        return self.robot.speaking and self.robot.stretch is stretch

    def last_end(self) -> Instant:
        """Return the end of the last confirmed speech of either side, or the beginning."""
        stretches = (self.user.stretch, self.robot.stretch)
        ends = [stretch.end for stretch in stretches if stretch is not None]
        return max(ends, key=lambda end: end.heard_ns, default=Instant(0, 0))
