"""What a model writes down of the caller, against what the caller said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.training.evaluation.converse import Dialogue
from personaplex_ros.training.evaluation.measures import word_errors
from personaplex_ros.training.world import plain

LATE_S = 0.7  # after what was said, until which its words are to be there


@dataclass(frozen=True)
class Written:
    """Words that were said in one breath, how many of them were misheard, and what was written.

    ``late_s`` is how long after the last word it was written, where the last is right; else None.
    """

    text: str
    words: int
    misheard: int
    written: str
    late_s: float | None


def written(dialogue: Dialogue) -> Iterator[Written]:
    """Yield what was written down of everything that the caller said."""
    for said in dialogue.said:
        words = plain(said.utterance.text).split()
        until_s = said.end_s + LATE_S
        heard = [(at_s, word) for at_s, word in dialogue.heard if said.start_s <= at_s <= until_s]
        late_s = heard[-1][0] - said.end_s if heard and heard[-1][1] == words[-1] else None
        names = [word for _, word in heard]
        errors = word_errors(words, names)
        yield Written(" ".join(words), len(words), errors, " ".join(names), late_s)


def error_rate(rows: NDArray[np.float64]) -> float:
    """Return the word error rate of rows [n, 2]: words, and how many of them were misheard."""
    words, misheard = rows.sum(axis=0)
    return float(misheard / words)
