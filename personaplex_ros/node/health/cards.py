"""What /diagnostics says about the sound cards and streams that a node uses itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from personaplex_ros.node.health.growth import Growth
from personaplex_ros.node.hosts.messages import ERROR, OK, WARN, Status

Task = Literal["microphone card", "loudspeaker card", "microphone stream"]
_FAULTS = {
    "overflows": "sound was lost {} times: the machine is too busy to fetch it",
    "underflows": "the card had nothing to play {} times: the machine is too busy",
    "underruns": "speech came too late {} times: the sound went on, then silence",
    "dropped_packets": "{} packets were dropped: the machine is too busy to fetch them",
    "lost_packets": "{} packets did not come",
    "late_packets": "{} packets came late",
    "refused_packets": "{} packets hold no whole samples: are format, channels and header right?",
    "other_senders": "{} packets of another sender were left out: name the right one (&sender=)",
    "interruptions": "the packets stopped {} times, and went on",
    "overflow_samples": "speech came faster than it is played: {} samples were dropped",
}
"""Counters whose growth is told, by what it means."""


@dataclass(frozen=True)
class CardSnapshot:
    """A sound card or stream in use: why it is gone, empty while it is there, and its counters."""

    task: Task
    name: str
    problem: str
    counters: Mapping[str, int | float]


def card_status(card: CardSnapshot, growth: Growth) -> Status:
    """Return the card's entry; a card that has gone is an error."""
    values = [(card.task.rpartition(" ")[2], card.name)]
    values += [(name.replace("_", " "), _text(count)) for name, count in card.counters.items()]
    grown = {
        name: growth.of(f"{card.task} {name}", int(card.counters[name]))
        for name in _FAULTS
        if name in card.counters
    }
    if card.problem:
        return Status(card.task, ERROR, card.problem, values)
    told = [_FAULTS[name].format(count) for name, count in grown.items() if count]
    return Status(card.task, WARN if told else OK, "; ".join(told) or "works", values)


def _text(count: int | float) -> str:
    return str(count) if isinstance(count, int) else f"{count:.1f}"
