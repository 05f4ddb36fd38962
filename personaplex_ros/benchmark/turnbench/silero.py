"""The plain baseline: Silero VAD and a fixed time that silence or speech has to last."""

from __future__ import annotations

from collections.abc import Sequence

from personaplex_ros.benchmark.turnbench.listening import Window
from personaplex_ros.benchmark.turnbench.predictions import Found, Pair

ON, OFF = 0.5, 0.35  # probabilities at which speech begins and ends, Silero's own
GAP_S = 0.3  # of silence that ends a stretch of speech

Side = Sequence[Window]


class SpeechStretch:
    """Follows one side's windows; speech is over when a silence has lasted for ``gap_s``."""

    def __init__(self, gap_s: float) -> None:
        self._gap_s = gap_s
        self._quiet_s: float | None = None
        self.begun_s: float | None = None

    def push(self, window: Window) -> bool:
        """Take the next window; return whether the stretch ended with it."""
        if window.probability >= ON:
            self._quiet_s = None
            if self.begun_s is None:
                self.begun_s = window.start_s
        elif self.begun_s is not None and (window.probability < OFF or self._quiet_s is not None):
            self._quiet_s = window.start_s if self._quiet_s is None else self._quiet_s
            if window.end_s - self._quiet_s >= self._gap_s:
                self.begun_s = self._quiet_s = None
                return True
        return False


def fixed_wait(sides: tuple[Side, Side], wait_s: float) -> Pair:
    """Return what is found by waiting for so long in both tasks.

    A turn ends when its speaker was silent for so long. Whoever begins while the other speaks has
    taken the floor if, so long after, they still do.
    """
    first, second = sides
    return _found(first, second, wait_s), _found(second, first, wait_s)


def _found(own: Side, other: Side, wait_s: float) -> Found:
    ends, interruptions = set[float](), set[float]()
    turn, speech, rival = SpeechStretch(wait_s), SpeechStretch(GAP_S), SpeechStretch(GAP_S)
    breaks_in = False
    for mine, theirs in zip(own, other, strict=True):
        if turn.push(mine):
            ends.add(mine.known_s)
        rival.push(theirs)
        spoke = speech.begun_s is not None
        speech.push(mine)
        if speech.begun_s is None or mine.probability < ON:
            continue
        if not spoke:
            breaks_in = rival.begun_s is not None
        if breaks_in and mine.end_s - speech.begun_s >= wait_s:
            interruptions.add(mine.known_s)
            breaks_in = False
    return Found(tuple(sorted(ends)), tuple(sorted(interruptions)))
