"""Lets our own turn events and the plain baseline hear a folder of conversations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from personaplex_ros.benchmark.turnbench.folder import Conversation
from personaplex_ros.benchmark.turnbench.giving_way import GivingWay, giving_way
from personaplex_ros.benchmark.turnbench.listening import hear_speech, hear_turns, read_sounds
from personaplex_ros.benchmark.turnbench.predictions import SPEAKERS, Pair
from personaplex_ros.benchmark.turnbench.score import Score
from personaplex_ros.benchmark.turnbench.silero import fixed_wait

OURS = "turn events"
WAITS_S = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.5, 2.0)
SHOWN_S = (0.3, 0.5, 0.7, 1.0)


@dataclass
class Hearing:
    """What was found by each detector, by conversation, and how each speaker gave way."""

    found: dict[str, dict[str, Pair]] = field(default_factory=dict)
    giving_way: dict[str, GivingWay] = field(default_factory=dict)


def silero(wait_s: float) -> str:
    """Return the baseline's name with that wait."""
    return f"Silero, {wait_s:.1f} s"


def hear(conversations: Iterable[Conversation]) -> Hearing:
    """Hear all conversations, which takes about a tenth of their length on a core.

    Raises ValueError naming a sound file that is wrong.
    """
    hearing = Hearing({name: {} for name in (OURS, *map(silero, WAITS_S))})
    for one in conversations:
        heard = read_sounds(one)
        hearing.found[OURS][one.name] = hear_turns(heard)
        sides = hear_speech(heard)
        for wait_s in WAITS_S:
            hearing.found[silero(wait_s)][one.name] = fixed_wait(sides, wait_s)
        for own, name in enumerate(SPEAKERS):
            way = giving_way(sides[own], one.truths[1 - own].interruption.events_s)
            hearing.giving_way[name] = hearing.giving_way.get(name, GivingWay()) + way
    return hearing


def chosen(scores: Mapping[str, Mapping[str, Score]]) -> list[str]:
    """Return which of the detectors to show: of the baseline some, and the best of each task.

    The best wait is that with the highest recall of those whose false positives are few enough.
    """
    waits = {silero(wait_s) for wait_s in WAITS_S}
    shown = {silero(wait_s) for wait_s in SHOWN_S}
    for task in _tasks(scores):
        few = [name for name in scores if name in waits and scores[name][task].in_budget]
        shown |= set(sorted(few, key=lambda name: -scores[name][task].recall)[:1])
    return [name for name in scores if name not in waits or name in shown]


def _tasks(scores: Mapping[str, Mapping[str, Score]]) -> Sequence[str]:
    return list(next(iter(scores.values()), {}))
