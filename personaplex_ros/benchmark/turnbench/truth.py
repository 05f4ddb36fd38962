"""What has to be found of each speaker, and where nothing may be, from the annotators' tracks."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from personaplex_ros.benchmark.backchannel import Segment
from personaplex_ros.benchmark.turnbench.agreement import Agreement, Stretch, agree
from personaplex_ros.benchmark.turnbench.labels import (
    ATTEMPT,
    BACKCHANNEL,
    CLAIMS,
    INTERRUPTION,
    KINDS,
    NOISE,
    TURN,
)
from personaplex_ros.benchmark.turnbench.tracks import Entry

EOT = "eot"
TASKS = (EOT, INTERRUPTION)  # as the predictions' keys


@dataclass(frozen=True)
class Truth:
    """Of one speaker and one task, in seconds: what happens, and what may be taken for it.

    negatives: where finding something is a false positive. excluded: where nothing is judged.
    """

    events_s: tuple[float, ...] = ()
    negatives: tuple[Segment, ...] = ()
    excluded: tuple[Segment, ...] = ()


@dataclass(frozen=True)
class Truths:
    """Of one speaker: the ends of turns, and the interruptions with which it takes the floor."""

    eot: Truth
    interruption: Truth


@dataclass(frozen=True)
class _Side:
    """What was agreed about a speaker: about the floor alone, and by kind."""

    floor: Agreement
    kinds: Agreement

    @property
    def disputed(self) -> tuple[Segment, ...]:
        return (*self.floor.disputed, *self.kinds.disputed)

    def of_kind(self, *kinds: str) -> list[Stretch]:
        return [stretch for stretch in self.kinds.stretches if stretch.kind in kinds]


def build_truth(
    speakers: tuple[Sequence[Sequence[Entry]], Sequence[Sequence[Entry]]],
) -> tuple[Truths, Truths]:
    """Return the truth of both speakers, given the tracks of each, one an annotator."""
    first, second = (_side(tracks) for tracks in speakers)
    return _truths(first, second), _truths(second, first)


def _side(tracks: Sequence[Sequence[Entry]]) -> _Side:
    """Let the annotators agree twice: where turn or interruption matters, and where it does not."""
    by_kind = [_stretches(track) for track in tracks]
    claims = [
        [Stretch(s.start_s, s.end_s, TURN) for s in track if s.kind in CLAIMS] for track in by_kind
    ]
    return _Side(agree(claims), agree(by_kind))


def _stretches(track: Iterable[Entry]) -> list[Stretch]:
    return [
        Stretch(entry.start_s, entry.end_s, KINDS[entry.label])
        for entry in track
        if entry.label in KINDS
    ]


def _truths(own: _Side, other: _Side) -> Truths:
    attempts = tuple((s.start_s, s.end_s) for s in own.of_kind(ATTEMPT))
    interruption = Truth(
        tuple(s.start_s for s in own.of_kind(INTERRUPTION)),
        tuple((s.start_s, s.end_s) for s in own.of_kind(BACKCHANNEL, NOISE)),
        (*own.kinds.disputed, *attempts),
    )
    return Truths(_ends(own, other), interruption)


def _ends(own: _Side, other: _Side) -> Truth:
    """Tell the ends of a speaker's stretches apart: the floor goes to the other, or it pauses."""
    ours, theirs = own.floor.stretches, other.floor.stretches
    starts, their_starts = ([s.start_s for s in side] for side in (ours, theirs))
    events, pauses = set[float](), set[Segment]()
    for end_s in {stretch.end_s for stretch in ours}:
        if _within(end_s, ours):
            continue
        resumes_s, taken_s = _next(starts, end_s), _next(their_starts, end_s)
        if math.isinf(resumes_s) or taken_s < resumes_s or _within(end_s, theirs):
            events.add(end_s)
        else:
            until_s = _contradicted(end_s, resumes_s, own, other)
            if until_s > end_s:
                pauses.add((end_s, until_s))
    return Truth(tuple(sorted(events)), tuple(sorted(pauses)), own.floor.disputed)


def _contradicted(start_s: float, end_s: float, own: _Side, other: _Side) -> float:
    """Return until when a pause is one: until something else is heard of it, or disputed."""
    cuts = [end_s]
    cuts += [a for a, b in (*own.disputed, *other.disputed) if a < end_s and b > start_s]
    sounds = [s for s in own.kinds.stretches if s.kind != TURN]
    sounds += other.of_kind(INTERRUPTION, ATTEMPT)
    cuts += [s.start_s for s in sounds if start_s < s.start_s < end_s]
    return min(cuts)


def _within(at_s: float, stretches: Iterable[Stretch]) -> bool:
    return any(stretch.start_s < at_s < stretch.end_s for stretch in stretches)


def _next(starts_s: Sequence[float], at_s: float) -> float:
    """Return the first start from a time on, infinite if there is none."""
    index = bisect_left(starts_s, at_s)
    return starts_s[index] if index < len(starts_s) else math.inf
