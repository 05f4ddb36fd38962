"""How soon who is interrupted falls silent, against after a random moment of their speech."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from personaplex_ros.benchmark.backchannel import Segment
from personaplex_ros.benchmark.overlap import joined
from personaplex_ros.benchmark.turnbench.listening import Window
from personaplex_ros.benchmark.turnbench.score import DEADLINE_S
from personaplex_ros.benchmark.turnbench.silero import ON

SILENCE_S = 0.4  # a shorter one is a pause in the speech
DRAWS = 100  # random moments of a speaker in a conversation


@dataclass(frozen=True)
class GivingWay:
    """Times to silence in seconds, after interruptions and after random moments."""

    interrupted_s: tuple[float, ...] = ()
    random_s: tuple[float, ...] = ()

    def __add__(self, other: GivingWay) -> GivingWay:
        return GivingWay(self.interrupted_s + other.interrupted_s, self.random_s + other.random_s)


def giving_way(windows: Sequence[Window], interruptions_s: Sequence[float]) -> GivingWay:
    """Measure one speaker, whose windows these are, when the other took the floor at these times.

    Who was silent then cannot fall silent. The same moments are drawn each time, from all speech
    but that in the 3 s after an interruption, which an interruption may have ended.
    """
    speech = joined([(w.start_s, w.end_s) for w in windows if w.probability >= ON], SILENCE_S)
    free = speech
    for at_s in interruptions_s:
        free = [part for one in free for part in _without(one, (at_s, at_s + DEADLINE_S))]
    return GivingWay(_times(speech, interruptions_s), _times(speech, _moments(free)))


def _times(speech: Sequence[Segment], moments_s: Sequence[float]) -> tuple[float, ...]:
    return tuple(
        end_s - at_s for at_s in moments_s for start_s, end_s in speech if start_s <= at_s < end_s
    )


def _moments(parts: Sequence[Segment]) -> list[float]:
    """Draw moments, each as likely as another."""
    lengths = np.cumsum([end_s - start_s for start_s, end_s in parts])
    if not len(lengths):
        return []
    places = np.random.default_rng(0).uniform(0.0, lengths[-1], DRAWS)
    chosen = np.minimum(np.searchsorted(lengths, places, side="right"), len(lengths) - 1)
    return [
        float(parts[index][1] - (lengths[index] - place))
        for index, place in zip(chosen, places, strict=True)
    ]


def _without(one: Segment, hole: Segment) -> list[Segment]:
    parts = [(one[0], min(one[1], hole[0])), (max(one[0], hole[1]), one[1])]
    return [(start_s, end_s) for start_s, end_s in parts if start_s < end_s]
