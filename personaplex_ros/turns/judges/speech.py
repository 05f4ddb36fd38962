"""When a side starts and stops to speak."""

from __future__ import annotations

from ..detection.gate import Change, Edge
from ..events import SUSPECTED
from .moment import Moment, Verdict


class SpeechJudge:
    """Tells the edges of one side as events; a stretch of speech is one episode.

    started may be suspected first. It is confirmed by another started, or taken back by a stopped
    that revises it.
    """

    def __init__(self, started: str, stopped: str) -> None:
        self._started, self._stopped = started, stopped
        self._episode: int | None = None

    def judge(self, moment: Moment, edge: Edge) -> Verdict:
        """Return the event for an edge of this side."""
        if self._episode is None:
            self._episode = moment.new_episode()
        episode, at, confidence = self._episode, edge.at, edge.confidence
        if edge.change is Change.SUSPECTED:
            return Verdict(self._started, at, confidence, episode, SUSPECTED)
        if edge.change is Change.STARTED:
            return Verdict(self._started, at, confidence, episode)
        self._episode = None
        revises = self._started if edge.change is Change.DROPPED else ""
        return Verdict(self._stopped, at, confidence, episode, revises=revises)
