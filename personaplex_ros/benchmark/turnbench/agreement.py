"""What most annotators of one speaker say, and where they do not agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median

from personaplex_ros.benchmark.backchannel import Segment
from personaplex_ros.benchmark.overlap import joined

WITHIN_S = 0.2  # in which starts and ends must lie
NEAR_S = 0.5  # between starts of what may be the same


@dataclass(frozen=True)
class Stretch:
    """A stretch of one kind (see ``labels``), in seconds."""

    start_s: float
    end_s: float
    kind: str


@dataclass(frozen=True)
class Agreement:
    """What a majority says, by start, and where none was found."""

    stretches: tuple[Stretch, ...]
    disputed: tuple[Segment, ...]


def agree(tracks: Sequence[Sequence[Stretch]]) -> Agreement:
    """Return what more than half of the annotators say; with one, everything it says.

    Stretches agree that are of one kind and whose starts and ends lie within 0.2 s; the median
    counts. A stretch that found no majority is disputed, unless it overlaps one that did.
    """
    needed = len(tracks) // 2 + 1
    used: list[set[int]] = [set() for _ in tracks]
    found = []
    for first, track in enumerate(tracks):
        for index, stretch in enumerate(track):
            if index in used[first]:
                continue
            votes = {first: index}
            for other in range(first + 1, len(tracks)):
                near = _nearest(stretch, tracks[other], used[other])
                if near is not None:
                    votes[other] = near
            agreeing = _largest(first, {one: tracks[one][at] for one, at in votes.items()})
            if len(agreeing) < needed:
                continue
            starts, ends = zip(*((s.start_s, s.end_s) for s in agreeing.values()), strict=True)
            found.append(Stretch(median(starts), median(ends), stretch.kind))
            for one in agreeing:
                used[one].add(votes[one])
    rest = [
        (stretch.start_s, stretch.end_s)
        for track, taken in zip(tracks, used, strict=True)
        for index, stretch in enumerate(track)
        if index not in taken and not any(_overlap(stretch, other) for other in found)
    ]
    found.sort(key=lambda stretch: stretch.start_s)
    return Agreement(tuple(found), tuple(joined(sorted(rest), 0.0)))


def _nearest(stretch: Stretch, track: Sequence[Stretch], used: set[int]) -> int | None:
    """Return the place of the stretch of that kind that starts nearest, if one does nearby."""
    distances = {
        index: abs(other.start_s - stretch.start_s)
        for index, other in enumerate(track)
        if index not in used and other.kind == stretch.kind
    }
    nearest = min(distances, key=distances.__getitem__, default=None)
    return nearest if nearest is not None and distances[nearest] <= NEAR_S else None


def _largest(first: int, votes: Mapping[int, Stretch]) -> dict[int, Stretch]:
    """Return the most votes, that of ``first`` among them, that lie close together."""
    others = [one for one in votes if one != first]
    for size in range(len(others), 0, -1):
        for chosen in combinations(others, size):
            group = {one: votes[one] for one in (first, *chosen)}
            if _close([s.start_s for s in group.values()]) and _close(
                [s.end_s for s in group.values()]
            ):
                return group
    return {first: votes[first]}


def _close(times_s: Sequence[float]) -> bool:
    return max(times_s) - min(times_s) <= WITHIN_S


def _overlap(one: Stretch, other: Stretch) -> bool:
    return one.start_s < other.end_s and other.start_s < one.end_s
