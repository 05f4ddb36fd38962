"""The robot's words between two silences."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from .events import ROBOT_YIELDED, TurnEvent


@dataclass(frozen=True)
class UtteranceParameters:
    """When an utterance ends, in seconds.

    utterance_gap_s: time without a word and without sound. max_utterance_s: its greatest length;
    a longer one is cut there, so that memory is bounded.
    """

    utterance_gap_s: float = 0.8
    max_utterance_s: float = 60.0

    def __post_init__(self) -> None:
        if not 0.0 < self.utterance_gap_s < self.max_utterance_s:
            raise ValueError(
                "need 0 < utterance_gap_s < max_utterance_s, got "
                f"{self.utterance_gap_s} and {self.max_utterance_s}"
            )


@dataclass(frozen=True)
class Utterance:
    """What the robot said; times in the microphone's clock, text without outer spaces.

    interrupted: the person broke in and the robot yielded.
    """

    start_ns: int
    end_ns: int
    text: str
    interrupted: bool


@dataclass
class _Open:
    start_ns: int
    end_ns: int
    pieces: list[str] = field(default_factory=list)


class UtteranceAssembler:
    """Collects text pieces into utterances.

    An utterance starts with its first word or the sound that precedes it, and ends with the last
    word or sound before a silence of `utterance_gap_s` or where the robot yielded. Sound without
    words makes none.
    """

    def __init__(self, parameters: UtteranceParameters | None = None) -> None:
        parameters = parameters or UtteranceParameters()
        self._gap_ns = round(parameters.utterance_gap_s * 1e9)
        self._max_ns = round(parameters.max_utterance_s * 1e9)
        self._open: _Open | None = None

    def push(
        self, start_ns: int, end_ns: int, piece: str, active: bool, events: Iterable[TurnEvent]
    ) -> Utterance | None:
        """Take one frame of the robot that sounds from `start_ns` to `end_ns`.

        piece: its text, "" if silent. active: whether it sounded. Returns the utterance that ended
        with it, if any.
        """
        finished = None
        yielded = next((event for event in events if event.kind == ROBOT_YIELDED), None)
        if yielded is not None:
            finished = self._finish(yielded.onset_ns, interrupted=True)
        elif self._open is not None and (
            start_ns - self._open.end_ns >= self._gap_ns
            or end_ns - self._open.start_ns > self._max_ns
            or start_ns < self._open.start_ns  # the clock was set back
        ):
            finished = self._finish(self._open.end_ns, interrupted=False)
        if piece or active:
            if self._open is None:
                self._open = _Open(start_ns, end_ns)
            self._open.end_ns = end_ns
            if piece:
                self._open.pieces.append(piece)
        return finished

    def flush(self) -> Utterance | None:
        """End the utterance that is open, as at the end of a conversation, and return it."""
        return None if self._open is None else self._finish(self._open.end_ns, interrupted=False)

    def _finish(self, end_ns: int, interrupted: bool) -> Utterance | None:
        utterance, self._open = self._open, None
        text = "" if utterance is None else "".join(utterance.pieces).strip()
        if utterance is None or not text:
            return None
        end_ns = max(end_ns, utterance.start_ns)
        return Utterance(utterance.start_ns, end_ns, text, interrupted)
