"""From windows of activity to stretches of speech: hysteresis, confirmation and hangover."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Instant:
    """A point of a conversation.

    heard_ns: length of the audio heard until then; measures durations, whatever clocks do.
    stamp_ns: the same point in the microphone's clock; tells others when it was.
    """

    heard_ns: int
    stamp_ns: int


@dataclass(frozen=True)
class Window:
    """One window of activity on the conversation's time axis."""

    begin: Instant
    end: Instant
    probability: float


@dataclass(frozen=True)
class GateParameters:
    """When speech begins and ends.

    on, off: probability at which a window becomes active, and below which it ceases to be.
    min_active_s: activity in a row that confirms speech; less is dropped as noise.
    end_silence_s: silence that ends speech; shorter pauses belong to it (hangover).
    """

    on: float
    off: float
    min_active_s: float
    end_silence_s: float

    def __post_init__(self) -> None:
        if not 0.0 < self.off <= self.on <= 1.0:
            raise ValueError(f"need 0 < off <= on <= 1, got off {self.off} and on {self.on}")
        if self.min_active_s <= 0.0 or self.end_silence_s <= 0.0:
            raise ValueError(
                "min_active_s and end_silence_s must be positive, got "
                f"{self.min_active_s} and {self.end_silence_s}"
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
        length = window.end.heard_ns - window.begin.heard_ns
        self.end = window.end
        self.active_ns += length
        self.probability_ns += length * window.probability

    @property
    def span_ns(self) -> int:
        """Length from onset to end, pauses included."""
        return self.end.heard_ns - self.onset.heard_ns

    @property
    def confidence(self) -> float:
        """Mean probability of its active windows."""
        return self.probability_ns / self.active_ns


@dataclass(frozen=True)
class Edge:
    """Speech was found to begin (`started`) or to have ended at the instant `at`."""

    started: bool
    at: Instant
    confidence: float


class SpeechGate:
    """Finds begin and end of speech in a row of windows; edges strictly alternate.

    stretch: the confirmed stretch that lasts, or else the last one; None before the first.
    """

    def __init__(self, parameters: GateParameters) -> None:
        self._parameters = parameters
        self._min_active_ns = round(parameters.min_active_s * 1e9)
        self._end_silence_ns = round(parameters.end_silence_s * 1e9)
        self.reset()

    def reset(self) -> None:
        """Return to silence."""
        self.speaking = False
        self.stretch: Stretch | None = None
        self._active = False
        self._candidate: Stretch | None = None
        self._silence_ns = 0
        self._silence_probability_ns = 0.0

    @property
    def active(self) -> bool:
        """Whether the last window was active."""
        return self._active

    def push(self, window: Window) -> Edge | None:
        """Take the next window; return the edge that it decides, if any."""
        threshold = self._parameters.off if self._active else self._parameters.on
        self._active = window.probability >= threshold
        if self.speaking and self.stretch is not None:
            return self._push_speaking(self.stretch, window)
        return self._push_silent(window)

    def _push_silent(self, window: Window) -> Edge | None:
        if not self._active:
            self._candidate = None
            return None
        if self._candidate is None:
            self._candidate = Stretch(window.begin, window.end)
        self._candidate.add(window)
        if self._candidate.active_ns < self._min_active_ns:
            return None
        self.speaking = True
        self.stretch, self._candidate = self._candidate, None
        self._silence_ns, self._silence_probability_ns = 0, 0.0
        return Edge(True, self.stretch.onset, self.stretch.confidence)

    def _push_speaking(self, stretch: Stretch, window: Window) -> Edge | None:
        if self._active:
            stretch.add(window)
            self._silence_ns, self._silence_probability_ns = 0, 0.0
            return None
        length = window.end.heard_ns - window.begin.heard_ns
        self._silence_ns += length
        self._silence_probability_ns += length * window.probability
        if self._silence_ns < self._end_silence_ns:
            return None
        self.speaking = False
        return Edge(False, stretch.end, 1.0 - self._silence_probability_ns / self._silence_ns)
