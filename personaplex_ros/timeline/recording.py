"""What a timeline shows: two voices, what they say, the turn events and the motion holds."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

FRAME_S = 0.08  # one codec frame: by so much the two sides may differ in length
LONGEST_S = 3600.0  # a picture of more would be taller than an image can be
LONGEST_WORD_S = 1.0  # a word whose next piece or next word comes later ended before it

Span = tuple[float, float]


@dataclass(frozen=True)
class Word:
    """A word of the robot, or what the user said in one go.

    ``end_s`` is None where nothing tells when it ended.
    """

    text: str
    start_s: float
    end_s: float | None


@dataclass(frozen=True)
class Mark:
    """A turn event: its kind (see msg/TurnEvent.msg), when it happened and when it was decided."""

    kind: str
    onset_s: float
    decided_s: float


@dataclass(frozen=True, eq=False)
class Recording:
    """One conversation, checked when it is made.

    ``user`` and ``agent`` are mono samples in [-1, 1], float [n]; they may differ by one frame
    (80 ms), and the shorter is then continued with silence. All times are in seconds from the first
    sample. ``hold`` lists the spans in which ``motion_hold`` was true, ``heard`` what the user
    said, where that was written down.

    Raises ValueError naming the field and the value that cannot be drawn.
    """

    sample_rate: int
    user: np.ndarray
    agent: np.ndarray
    words: tuple[Word, ...]
    marks: tuple[Mark, ...]
    title: str
    hold: tuple[Span, ...] = ()
    heard: tuple[Word, ...] = ()

    def __post_init__(self) -> None:
        if self.sample_rate <= 0:
            raise ValueError(f"sample_rate is {self.sample_rate}; it must be positive")
        user, agent = _mono("user", self.user), _mono("agent", self.agent)
        allowed = math.ceil(FRAME_S * self.sample_rate)
        if abs(user.size - agent.size) > allowed:
            raise ValueError(
                f"user has {user.size} samples and agent {agent.size}: they may differ by one "
                f"frame ({allowed} samples); cut both to the same span of time"
            )
        length = max(user.size, agent.size)
        if length == 0:
            raise ValueError("the recording is empty: user and agent have no samples")
        object.__setattr__(self, "user", np.pad(user, (0, length - user.size)))
        object.__setattr__(self, "agent", np.pad(agent, (0, length - agent.size)))
        for word in (*self.words, *self.heard):
            _check_times(f"word {word.text!r}", word.start_s, word.end_s)
        for mark in self.marks:
            _check_times(f"mark {mark.kind!r}", mark.onset_s, mark.decided_s)
        for start_s, end_s in self.hold:
            _check_times("hold", start_s, end_s)
        if self.extent_s > LONGEST_S:
            raise ValueError(
                f"the recording reaches to {self.extent_s:.0f} s; a timeline shows at most "
                f"{LONGEST_S:.0f} s: cut it, and check that all times are in seconds"
            )

    @property
    def duration_s(self) -> float:
        """Length of the audio in seconds."""
        return self.user.size / self.sample_rate

    @property
    def extent_s(self) -> float:
        """End of the last thing to show: the audio's, or of what was decided after it."""
        words = [word.end_s or word.start_s for word in (*self.words, *self.heard)]
        marks = [mark.decided_s for mark in self.marks]
        return max([self.duration_s, *words, *marks, *(end for _, end in self.hold)])

    def speaking(self, side: str) -> tuple[Span, ...]:
        """Return when ``side`` ("user" or "robot") spoke, according to the marks."""
        return speaking_spans(self.marks, f"{side}_started", f"{side}_stopped", self.duration_s)


def words_from_pieces(pieces: Iterable[tuple[float, str]]) -> tuple[Word, ...]:
    """Join text pieces (start in seconds, text) to words; empty pieces are silent and skipped.

    A leading space begins a word, as SentencePiece's U+2581 does. So does a piece that comes more
    than a second after the one before. A word ends where the next begins, unless that is more than
    a second away. Raises ValueError where a piece is earlier than the one before it.
    """
    starts: list[float] = []
    texts: list[str] = []
    previous = -math.inf
    for start_s, piece in pieces:
        if start_s < previous:
            raise ValueError(f"piece {piece!r} at {start_s} s is earlier than {previous} s before")
        if not piece:
            continue
        if not texts or piece[0].isspace() or start_s - previous > LONGEST_WORD_S:
            starts.append(start_s)
            texts.append("")
        texts[-1] += piece
        previous = start_s
    spoken = [(start, text.strip()) for start, text in zip(starts, texts, strict=True)]
    spoken = [(start, text) for start, text in spoken if text]
    words = []
    for number, (start, text) in enumerate(spoken, start=1):
        end = spoken[number][0] if number < len(spoken) else None
        known = end is not None and end - start <= LONGEST_WORD_S
        words.append(Word(text, start, end if known else None))
    return tuple(words)


def speaking_spans(
    marks: Iterable[Mark], started: str, stopped: str, duration: float
) -> tuple[Span, ...]:
    """Return the spans in seconds between marks of kind ``started`` and ``stopped``.

    A stop with no start before it means that the recording began within speech; a start with no
    stop after it lasts until ``duration``. Marks at the same instant count in the order given.
    """
    ordered = sorted((m for m in marks if m.kind in (started, stopped)), key=lambda m: m.onset_s)
    spans: list[Span] = []
    begin: float | None = 0.0 if ordered and ordered[0].kind == stopped else None
    for mark in ordered:
        if mark.kind == started and begin is None:
            begin = mark.onset_s
        elif mark.kind == stopped and begin is not None:
            spans.append((begin, mark.onset_s))
            begin = None
    if begin is not None:
        spans.append((begin, duration))
    return tuple((start, end) for start, end in spans if end > start)


def state_spans(samples: Iterable[tuple[float, bool]], end_s: float) -> tuple[Span, ...]:
    """Return the spans in which a state was true, given as (second, value) in order, to ``end_s``.

    A value holds until the next one; what lies outside the recording is cut off.
    """
    spans: list[Span] = []
    begin: float | None = None
    for at, value in [*samples, (end_s, False)]:
        at = min(max(at, 0.0), end_s)
        if value and begin is None:
            begin = at
        elif not value and begin is not None:
            spans.append((begin, at))
            begin = None
    return tuple((start, end) for start, end in spans if end > start)


def _mono(name: str, samples: np.ndarray) -> np.ndarray:
    """Return ``samples`` as float32 [n], or say why they cannot be drawn."""
    samples = np.asarray(samples)
    if samples.ndim != 1 or not np.issubdtype(samples.dtype, np.floating):
        raise ValueError(
            f"{name} has shape {list(samples.shape)} and dtype {samples.dtype}; "
            "it must be mono, float [n] in [-1, 1]"
        )
    if not np.isfinite(samples).all():
        first = int(np.flatnonzero(~np.isfinite(samples))[0])
        raise ValueError(f"{name} is not finite at sample {first}; replace NaN and infinity by 0")
    return samples.astype(np.float32, copy=False)


def _check_times(name: str, start_s: float, end_s: float | None) -> None:
    for value in (start_s, end_s):
        if value is not None and not (math.isfinite(value) and value >= 0.0):
            raise ValueError(f"{name} has the time {value} s; it must be finite and not negative")
    if end_s is not None and end_s < start_s:
        raise ValueError(f"{name} ends at {end_s} s, before it starts at {start_s} s")
