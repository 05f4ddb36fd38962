"""Whether a person is engaged with the robot, and when both are silent for long."""

from __future__ import annotations

from ..detection.gate import Window
from ..events import ENGAGEMENT_ENDED, ENGAGEMENT_STARTED, LONG_SILENCE
from ..parameters import TurnParameters, nanoseconds
from .moment import Moment, Verdict


class EngagementJudge:
    """Tells begin and end of an engagement, and each long silence within it once."""

    def __init__(self, parameters: TurnParameters) -> None:
        self._begin_ns = nanoseconds(parameters.engagement_min_speech_s)
        self._end_ns = nanoseconds(parameters.engagement_end_s)
        self._silence_ns = nanoseconds(parameters.long_silence_s)
        self._episode: int | None = None
        self._away_ns = 0
        self._silence_told = False

    @property
    def engaged(self) -> bool:
        """Whether an engagement goes on."""
        return self._episode is not None

    def judge(self, moment: Moment, window: Window) -> list[Verdict]:
        """Return what can be decided after a window of the person."""
        user, episode = moment.user, self._episode
        if episode is None:
            return self._begin(moment)
        if user.speaking or moment.robot.speaking:
            self._silence_told = False
            self._away_ns = 0 if user.speaking else self._away_ns
            return []
        self._away_ns += window.length_ns
        verdicts: list[Verdict] = []
        last, sure = moment.last_end(), user.silence_confidence
        if not self._silence_told and moment.now.heard_ns - last.heard_ns >= self._silence_ns:
            self._silence_told = True
            verdicts.append(Verdict(LONG_SILENCE, last, sure, moment.new_episode()))
        if self._away_ns >= self._end_ns:
            verdicts += self.finish(moment)
        return verdicts

    def finish(self, moment: Moment) -> list[Verdict]:
        """End the engagement, as at the end of a conversation."""
        episode, self._episode = self._episode, None
        if episode is None:
            return []
        confidence = moment.user.silence_confidence
        return [Verdict(ENGAGEMENT_ENDED, moment.last_end(), confidence, episode)]

    def _begin(self, moment: Moment) -> list[Verdict]:
        stretch = moment.user.stretch
        if not moment.user.speaking or stretch is None or stretch.active_ns < self._begin_ns:
            return []
        self._episode, self._away_ns = moment.new_episode(), 0
        return [Verdict(ENGAGEMENT_STARTED, stretch.onset, stretch.confidence, self._episode)]
