"""What is judged of one conversation, as pure functions of times, sound and words.

All times are in seconds of one clock: the caller's samples are spoken, and the robot's are heard,
at index / rate.
"""

from __future__ import annotations

from collections.abc import Sequence

from personaplex_ros.training.evaluation.sound import (
    QUIET_S,
    Sound,
    any_sound,
    first_sound,
    last_sound,
    spans,
)

TAKEOVER_S = 3.0  # a robot that begins later has not taken the turn
PAUSE_GRACE_S = 0.1  # sound that begins so shortly after a pause was decided within it
YIELD_S = 0.6  # within which an interrupted robot falls silent
GO_ON_S = 0.3  # after as long, a robot that goes on is heard for some of this


def takeover_latency(sound: Sound, end_s: float) -> float | None:
    """Return how long after the caller's end the robot is first heard.

    None where it is not heard within ``TAKEOVER_S``, or was already being heard at the end.
    """
    if any_sound(sound, end_s - QUIET_S, end_s):
        return None
    first = first_sound(sound, end_s, end_s + TAKEOVER_S)
    return None if first is None else first - end_s


def breaks_in(sound: Sound, pause: tuple[float, float]) -> bool:
    """Whether the robot begins to be heard within a caller's pause (start, end)."""
    start_s, end_s = pause
    return any(start_s <= onset < end_s + PAUSE_GRACE_S for onset, _ in spans(sound))


def falls_silent(sound: Sound, onset_s: float, end_s: float) -> bool:
    """Whether an interruption (onset to end) silences the robot in time, and until it is over."""
    least = onset_s + YIELD_S + GO_ON_S
    return not any_sound(sound, onset_s + YIELD_S, max(end_s, least))


def silence_after(sound: Sound, onset_s: float, end_s: float) -> float:
    """Return how long after an interruption's onset the robot was last heard before its end."""
    last = last_sound(sound, onset_s, end_s)
    return 0.0 if last is None else last - onset_s


def still_heard(sound: Sound, onset_s: float) -> bool:
    """Whether the robot is still heard when it would have yielded to an interruption."""
    return any_sound(sound, onset_s + YIELD_S, onset_s + YIELD_S + GO_ON_S)


def word_errors(reference: Sequence[str], heard: Sequence[str]) -> int:
    """Return substitutions, deletions and insertions between words (Levenshtein 1966)."""
    row = list(range(len(heard) + 1))
    for count, word in enumerate(reference, start=1):
        diagonal, row[0] = row[0], count
        for place, other in enumerate(heard, start=1):
            best = min(diagonal + (word != other), row[place] + 1, row[place - 1] + 1)
            diagonal, row[place] = row[place], best
    return row[-1]
