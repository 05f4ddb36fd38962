"""Lets our own turn events and the plain baseline hear a folder of conversations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from personaplex_ros.benchmark.turnbench.folder import Conversation
from personaplex_ros.benchmark.turnbench.giving_way import GivingWay, giving_way
from personaplex_ros.benchmark.turnbench.listening import (
    hear_speech,
    hear_turns,
    read_sounds,
    windows,
)
from personaplex_ros.benchmark.turnbench.predictions import SPEAKERS, Pair
from personaplex_ros.benchmark.turnbench.score import Score
from personaplex_ros.benchmark.turnbench.silero import fixed_wait
from personaplex_ros.benchmark.turnbench.truth import EOT
from personaplex_ros.turns import TurnParameters
from personaplex_ros.turns.parameters import NEVER

OURS = "turn events"
BASELINE = "Silero"
WAITS_S = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.5, 2.0)
SHOWN_S = (0.3, 0.5, 0.7, 1.0)  # of the baseline
SURE = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.925, 0.95, 0.97, 0.98)
"""Probabilities that a turn is over, at which ours tells its end."""


@dataclass
class Hearing:
    """What was found by each detector, by conversation, and how each speaker gave way."""

    found: dict[str, dict[str, Pair]] = field(default_factory=dict)
    giving_way: dict[str, GivingWay] = field(default_factory=dict)


def waiting(name: str, wait_s: float) -> str:
    """Return a detector's name with that wait."""
    return f"{name}, {wait_s:.1f} s"


def believing(name: str, sure: float) -> str:
    """Return a detector's name that believes the judge of ends from such a probability on."""
    return f"{name}, sure {sure:g}"


def patient(wait_s: float) -> TurnParameters:
    """Return our settings where an end waits for so long a silence, and a floor for such speech.

    How the turn was said is not asked.
    """
    parameters = TurnParameters()
    return replace(
        parameters,
        user_end_silence_s=wait_s,
        user_finished_on=NEVER,
        user_finished_silence_s=wait_s,
        interruption_min_s=wait_s,
        backchannel_max_s=max(wait_s, parameters.backchannel_max_s),
    )


def hear(conversations: Iterable[Conversation]) -> Hearing:
    """Hear all conversations, which takes about a tenth of their length on a core.

    Raises ValueError naming a sound file that is wrong.
    """
    ours = [OURS, *(waiting(OURS, wait_s) for wait_s in WAITS_S)]
    ours += [believing(OURS, sure) for sure in SURE]
    settings = [TurnParameters(), *map(patient, WAITS_S)]
    settings += [TurnParameters(user_finished_on=sure) for sure in SURE]
    hearing = Hearing({name: {} for name in (*ours, *(waiting(BASELINE, w) for w in WAITS_S))})
    for one in conversations:
        heard = read_sounds(one)
        speech = hear_speech(heard)
        for name, pair in zip(ours, hear_turns(heard, speech, settings), strict=True):
            hearing.found[name][one.name] = pair
        sides = windows(heard, speech[0]), windows(heard, speech[1])
        for wait_s in WAITS_S:
            hearing.found[waiting(BASELINE, wait_s)][one.name] = fixed_wait(sides, wait_s)
        for own, name in enumerate(SPEAKERS):
            way = giving_way(sides[own], one.truths[1 - own].interruption.events_s)
            hearing.giving_way[name] = hearing.giving_way.get(name, GivingWay()) + way
    return hearing


def chosen(scores: Mapping[str, Mapping[str, Score]], task: str) -> list[str]:
    """Return which of the detectors to show for a task: of those that wait some, and the best.

    The best has the highest recall of those whose false positives are few enough, the shortest
    wait among equals. How sure ours is matters for ends of turns alone.
    """
    shown = {waiting(BASELINE, wait_s) for wait_s in SHOWN_S}
    waits = {name: [waiting(name, w) for w in WAITS_S] for name in (OURS, BASELINE)}
    waits["sure"] = [believing(OURS, sure) for sure in SURE]
    if task != EOT:
        scores = {name: one for name, one in scores.items() if name not in waits["sure"]}
    for names in waits.values():
        few = [name for name in names if name in scores and scores[name][task].in_budget]
        shown |= set(sorted(few, key=lambda name: -scores[name][task].recall)[:1])
    hidden = {name for names in waits.values() for name in names} - shown
    return [name for name in scores if name not in hidden]
