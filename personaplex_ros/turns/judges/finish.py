"""When the person has finished, which a pause is not."""

from __future__ import annotations

from ..detection.gate import Stretch
from ..events import USER_FINISHED
from ..parameters import TurnParameters, nanoseconds
from .moment import Moment, Verdict
from .reply import Reply


class FinishJudge:
    """Tells the end of a turn once, and anew where the person has spoken on.

    A sound over the robot's speech that is shorter than an interruption is no turn.
    """

    def __init__(self, parameters: TurnParameters) -> None:
        self._sure = parameters.user_finished_on
        self._silence_ns = nanoseconds(parameters.user_finished_silence_s)
        self._speech_ns = nanoseconds(parameters.user_min_speech_s)
        self._long_ns = nanoseconds(parameters.interruption_min_s)
        self._reply = Reply()
        self._judged: tuple[int, int] | None = None  # a stretch's onset, and how much was heard

    def judge(self, moment: Moment, sure: float, piece: str) -> list[Verdict]:
        """Return what can be decided after a frame.

        sure: probability that the person has finished. piece: what the robot says in it.
        """
        answers = self._reply.push(moment, piece)
        stretch = moment.user.stretch
        if stretch is None or moment.user.active:
            return []
        if self._is_judged(stretch):
            return []
        silence_ns = moment.now.heard_ns - stretch.end.heard_ns
        known = answers or silence_ns >= self._silence_ns
        if not (known or sure >= self._sure):
            return []
        self._judged = (stretch.onset.heard_ns, stretch.active_ns)
        if stretch.active_ns < self._long_ns and _within(stretch, moment.robot.stretch):
            return []
        confidence = moment.user.silence_confidence if known else sure
        return [Verdict(USER_FINISHED, stretch.end, confidence, moment.new_episode())]

    def _is_judged(self, stretch: Stretch) -> bool:
        """Return whether nothing was said since the last judgement; a click is nothing."""
        if self._judged is None or self._judged[0] != stretch.onset.heard_ns:
            return False
        return stretch.active_ns < self._judged[1] + self._speech_ns


def _within(stretch: Stretch, robot: Stretch | None) -> bool:
    """Return whether the robot spoke before that sound and speaks after it."""
    if robot is None or robot.onset.heard_ns >= stretch.onset.heard_ns:
        return False
    return robot.end.heard_ns > stretch.end.heard_ns
