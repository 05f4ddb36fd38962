"""When both sides speak at once."""

from __future__ import annotations

from dataclasses import dataclass

from ..detection.gate import Instant, Stretch
from ..events import OVERLAP_ENDED, OVERLAP_STARTED
from ..parameters import TurnParameters, nanoseconds
from .moment import Moment, Verdict


@dataclass
class Overlap:
    """Two stretches of speech that share time; episode: its number, once it was told."""

    user: Stretch
    robot: Stretch
    episode: int = 0

    @property
    def begin(self) -> Instant:
        """The later of the two onsets."""
        return max(self.user.onset, self.robot.onset, key=lambda at: at.heard_ns)

    @property
    def end(self) -> Instant:
        """The earlier of the two ends so far."""
        return min(self.user.end, self.robot.end, key=lambda at: at.heard_ns)


class OverlapJudge:
    """Tells begin and end of an overlap, whoever came second."""

    def __init__(self, parameters: TurnParameters) -> None:
        self._overlap_ns = nanoseconds(parameters.overlap_min_s)
        self._overlap: Overlap | None = None

    def judge(self, moment: Moment) -> list[Verdict]:
        """Return what can be decided after a window."""
        overlap, user, robot = self._overlap, moment.user, moment.robot
        if overlap is not None and not (
            user.speaking and user.stretch is overlap.user and moment.robot_speaks_in(overlap.robot)
        ):
            self._overlap = None
            return self._tell(overlap, OVERLAP_ENDED, overlap.end) if overlap.episode else []
        if not (user.speaking and robot.speaking) or user.stretch is None or robot.stretch is None:
            return []
        if overlap is None:
            overlap = self._overlap = Overlap(user.stretch, robot.stretch)
        common_ns = moment.robot_heard.active_ns(overlap.begin, overlap.end)
        if overlap.episode or common_ns < self._overlap_ns:
            return []
        overlap.episode = moment.new_episode()
        return self._tell(overlap, OVERLAP_STARTED, overlap.begin)

    def _tell(self, overlap: Overlap, kind: str, at: Instant) -> list[Verdict]:
        return [Verdict(kind, at, overlap.user.confidence, overlap.episode)]
