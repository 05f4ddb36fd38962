"""From windows of activity to stretches of speech: hysteresis, confirmation and hangover."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


@dataclass(frozen=True)
class Instant:
    """A point of a conversation.

    heard_ns: length of the audio heard until then; measures durations, whatever clocks do.
    stamp_ns: the same point in the microphone's clock; tells others when it was.
    """

    heard_ns: int
    stamp_ns: int

    def later(self, length_ns: int) -> Instant:
        """Return the instant `length_ns` after this one."""
        return Instant(self.heard_ns + length_ns, self.stamp_ns + length_ns)


@dataclass(frozen=True)
class Window:
    """One window of activity on the conversation's time axis."""

    begin: Instant
    end: Instant
    probability: float

    @property
    def length_ns(self) -> int:
        """Length of audio."""
        return self.end.heard_ns - self.begin.heard_ns


@dataclass(frozen=True)
class GateParameters:
    """When speech begins and ends.

    on, off: probability at which a window becomes active, and below which it ceases to be.
    suspect_on: probability of a window that may be the first of speech; at most on.
    suspect_s: such windows in a row at which speech is suspected; never before it is confirmed
    where this is not below min_active_s. A suspicion lasts for at most end_silence_s.
    min_active_s: activity in a row that confirms speech; less is dropped as noise.
    end_silence_s: silence that ends speech; shorter pauses belong to it (hangover).
    """

    on: float
    off: float
    suspect_on: float
    suspect_s: float
    min_active_s: float
    end_silence_s: float

    def __post_init__(self) -> None:
        if not 0.0 < self.off <= self.on <= 1.0:
            raise ValueError(f"need 0 < off <= on <= 1, got off {self.off} and on {self.on}")
        if not 0.0 < self.suspect_on <= self.on:
            raise ValueError(f"need 0 < suspect_on <= on, got {self.suspect_on} and {self.on}")
        if min(self.suspect_s, self.min_active_s, self.end_silence_s) <= 0.0:
            raise ValueError(
                "suspect_s, min_active_s and end_silence_s must be positive, got "
                f"{self.suspect_s}, {self.min_active_s} and {self.end_silence_s}"
            )


@dataclass
class Stretch:
    """One stretch of speech.

    onset: begin of its first active window. end: end of its last active window so far.
    active_ns: length of its active windows. Over them the mean probability is taken.
    """

    onset: Instant
    end: Instant
    active_ns: int = 0
    probability_ns: float = 0.0

    def add(self, window: Window) -> None:
        """Count an active window in."""
        self.end = window.end
        self.active_ns += window.length_ns
        self.probability_ns += window.length_ns * window.probability

    @property
    def span_ns(self) -> int:
        """Length from onset to end, pauses included."""
        return self.end.heard_ns - self.onset.heard_ns

    @property
    def confidence(self) -> float:
        """Mean probability of its active windows."""
        return self.probability_ns / self.active_ns


class Change(Enum):
    """What was found of a stretch: suspected to be speech, that it is, that it is not, its end."""

    SUSPECTED = auto()
    STARTED = auto()
    DROPPED = auto()
    STOPPED = auto()


@dataclass(frozen=True)
class Edge:
    """A change of a stretch, which lies at the instant `at`."""

    change: Change
    stretch: Stretch
    at: Instant
    confidence: float


class SpeechGate:
    """Finds begin and end of speech in a row of windows.

    Of every stretch come STARTED and STOPPED, before them maybe SUSPECTED; or SUSPECTED and
    DROPPED. What was neither suspected nor confirmed is not told.

    stretch: the confirmed stretch that lasts, or else the last one; None before the first.
    speaking: whether it lasts. suspected: the stretch that is suspected and not confirmed, if any.
    """

    def __init__(self, parameters: GateParameters) -> None:
        self._parameters = parameters
        self._suspect_ns = round(parameters.suspect_s * 1e9)
        self._min_active_ns = round(parameters.min_active_s * 1e9)
        self._end_silence_ns = round(parameters.end_silence_s * 1e9)
        self.reset()

    def reset(self) -> None:
        """Return to silence."""
        self.speaking = False
        self.stretch: Stretch | None = None
        self.suspected: Stretch | None = None
        self._active = False
        self._candidate: Stretch | None = None
        self._sure_ns = 0
        self._silence_ns = 0
        self._silence_probability_ns = 0.0

    @property
    def active(self) -> bool:
        """Whether the last window was active."""
        return self._active

    @property
    def silence_confidence(self) -> float:
        """Mean probability that the windows since the last active one are silent."""
        return 1.0 - self._silence_probability_ns / max(1, self._silence_ns)

    def push(self, window: Window) -> Edge | None:
        """Take the next window; return the edge that it decides, if any."""
        threshold = self._parameters.off if self._active else self._parameters.on
        self._active = window.probability >= threshold
        if self._active:
            self._silence_ns, self._silence_probability_ns = 0, 0.0
        else:
            self._silence_ns += window.length_ns
            self._silence_probability_ns += window.length_ns * window.probability
        if self.speaking and self.stretch is not None:
            return self._push_speaking(self.stretch, window)
        return self._push_silent(window)

    def end(self) -> Edge | None:
        """End what lasts, as at the end of a conversation."""
        if self.speaking and self.stretch is not None:
            return self._stop(self.stretch)
        return self._drop()

    def _push_silent(self, window: Window) -> Edge | None:
        self._sure_ns = self._sure_ns + window.length_ns if self._active else 0
        candidate = self._candidate or Stretch(window.begin, window.end)
        if not self._active:
            too_long = candidate.span_ns >= self._end_silence_ns
            if window.probability < self._parameters.suspect_on or too_long:
                return self._drop()
        self._candidate = candidate
        candidate.add(window)
        if self._sure_ns >= self._min_active_ns:
            self.speaking, self.stretch = True, candidate
            self._candidate = self.suspected = None
            self._sure_ns = 0
            return Edge(Change.STARTED, candidate, candidate.onset, candidate.confidence)
        if candidate.active_ns >= self._suspect_ns and self.suspected is None:
            self.suspected = candidate
            return Edge(Change.SUSPECTED, candidate, candidate.onset, candidate.confidence)
        return None

    def _push_speaking(self, stretch: Stretch, window: Window) -> Edge | None:
        if self._active:
            stretch.add(window)
            return None
        return self._stop(stretch) if self._silence_ns >= self._end_silence_ns else None

    def _drop(self) -> Edge | None:
        dropped, self._candidate, self.suspected = self.suspected, None, None
        self._sure_ns = 0
        if dropped is None:
            return None
        return Edge(Change.DROPPED, dropped, dropped.end, self.silence_confidence)

    def _stop(self, stretch: Stretch) -> Edge:
        self.speaking = False
        return Edge(Change.STOPPED, stretch, stretch.end, self.silence_confidence)
