"""What the person says, put together from words as they are heard."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from .events import USER_STARTED, TurnEvent

GAP_S = 0.4
"""Time without a word after which what was said is over, once the person is silent."""
APART_S = 0.4
"""A word counts if the person is heard to speak at most so long before or after it."""
MOST_WORDS = 200
"""What is longer is ended there, so that memory is bounded."""


@dataclass(frozen=True)
class UserUtterance:
    """What the person has said, or is still saying; times in the microphone's clock.

    ``end_ns`` is where its last word was heard. What is not ``final`` may become longer.
    """

    start_ns: int
    end_ns: int
    text: str
    final: bool


@dataclass
class _Open:
    words: list[tuple[int, str]] = field(default_factory=list)  # and the end of each one's frame
    told: int = 0  # how many of them
    spoken: bool = False  # whether the person was heard to speak


class UserUtteranceAssembler:
    """Collects words into what is said between two silences.

    Words that come while nobody speaks, as from the robot's own voice, make nothing.
    """

    def __init__(self) -> None:
        self._open: _Open | None = None
        self._onset_ns: int | None = None  # of the person's speech, since the last utterance
        self._spoke_ns: int | None = None  # the end of the last frame with speech in it

    def push(
        self, start_ns: int, end_ns: int, word: str, speaking: bool, events: Iterable[TurnEvent]
    ) -> UserUtterance | None:
        """Take the frame from ``start_ns`` to ``end_ns``; return what is new, if anything.

        word: what was heard the end of, "" if nothing. speaking: whether the person speaks.
        """
        for event in events:
            if event.kind == USER_STARTED:
                self._onset_ns = event.onset_ns
        if speaking:
            self._spoke_ns = end_ns
        if word:
            self._open = self._open or _Open()
            self._open.words.append((end_ns, word))
        if self._open is None:
            return None
        self._judge(self._open, end_ns)
        if not self._open.words:
            self._open = None
            return None
        last_ns = self._open.words[-1][0]
        quiet = not speaking and end_ns - last_ns >= round(GAP_S * 1e9)
        over = self._open.spoken and (quiet or len(self._open.words) >= MOST_WORDS)
        if over or end_ns < last_ns:  # or the clock was set back
            return self.flush()
        if self._open.spoken and self._open.told < len(self._open.words):
            self._open.told = len(self._open.words)
            return self._utterance(self._open, final=False)
        return None

    def flush(self) -> UserUtterance | None:
        """End what is open, as at the end of a conversation, and return it."""
        ended, self._open = self._open, None
        told = self._utterance(ended, final=True) if ended and ended.spoken else None
        self._onset_ns = self._spoke_ns = None
        return told

    def _judge(self, heard: _Open, now_ns: int) -> None:
        """Find out whether the person says it; forget words for which nobody has spoken."""
        apart_ns = round(APART_S * 1e9)
        if not heard.spoken:
            heard.words = [said for said in heard.words if now_ns - said[0] <= apart_ns]
            spoke_ns = self._spoke_ns
            heard.spoken = spoke_ns is not None and 0 <= now_ns - spoke_ns <= apart_ns

    def _utterance(self, heard: _Open, final: bool) -> UserUtterance:
        (first_ns, _), (last_ns, _) = heard.words[0], heard.words[-1]
        start_ns = first_ns if self._onset_ns is None else min(self._onset_ns, first_ns)
        return UserUtterance(start_ns, last_ns, " ".join(word for _, word in heard.words), final)
