"""Whether the model takes the turn, and how soon (Full-Duplex-Bench v1.0, section on metrics)."""

from __future__ import annotations

from collections.abc import Sequence

from personaplex_ros.benchmark.words import HeardWord

LEAST_S = 1.0  # speech as long takes the turn,
MOST_WORDS = 3  # and so does shorter speech of more words


def takes_over(words: Sequence[HeardWord]) -> bool:
    """Whether these words, earliest first, take the turn: TOR of one sample."""
    if not words:
        return False
    return words[-1].end_s - words[0].start_s >= LEAST_S or len(words) > MOST_WORDS


def latency(words: Sequence[HeardWord], end_s: float) -> float:
    """Return how long after the end of the user's turn the first word begins; 0 if before it."""
    return max(0.0, words[0].start_s - end_s)


def answer_to(words: Sequence[HeardWord], end_s: float) -> list[HeardWord]:
    """Return what is heard from ``end_s`` on, as if the recording began there.

    The published recogniser hears only what follows an interruption. A word that is being spoken
    at that time begins there.
    """
    return [
        HeardWord(word.text, max(word.start_s, end_s), word.end_s)
        for word in words
        if word.end_s > end_s
    ]
