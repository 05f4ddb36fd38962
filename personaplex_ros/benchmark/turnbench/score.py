"""The score: found events against the truth, one to one."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from personaplex_ros.benchmark.backchannel import Segment
from personaplex_ros.benchmark.turnbench.truth import Truth

BEFORE_S = 0.25  # how much too early an event may be found: no annotator is more exact
DEADLINE_S = 3.0  # after an event
BUDGET = 0.1  # of false positives, in which recall counts


@dataclass(frozen=True)
class Score:
    """Counts of one task; latencies_s holds one of each hit, negative where it was too early."""

    latencies_s: tuple[float, ...] = ()
    missed: int = 0
    false_positives: int = 0
    true_negatives: int = 0

    @property
    def recall(self) -> float:
        """The share of events found; not a number where there is none."""
        return _share(len(self.latencies_s), self.missed)

    @property
    def fp_rate(self) -> float:
        """The share of pauses or backchannels taken for an event; not a number without any."""
        return _share(self.false_positives, self.true_negatives)

    @property
    def in_budget(self) -> bool:
        """Whether no more than a tenth of what may deceive did."""
        return not self.fp_rate > BUDGET

    def latency_s(self) -> tuple[float, float, float]:
        """Return the 10th, 50th and 90th percentile of the hits' latencies."""
        if not self.latencies_s:
            return (math.nan, math.nan, math.nan)
        low, middle, high = np.percentile(self.latencies_s, (10, 50, 90))
        return float(low), float(middle), float(high)


def score(truth: Truth, found_s: Sequence[float]) -> Score:
    """Score what was found of one speaker in one task; times in seconds, in order.

    A hit lies from 0.25 s before an event until 3 s after it, and not after the speaker's next;
    each event takes the first that is left. A pause or backchannel in which something is found,
    or 0.25 s before it, is one false positive, unless an event's window holds that, too.
    """
    left = [at_s for at_s in found_s if not _inside(at_s, truth.excluded)]
    events = sorted(truth.events_s)
    windows: list[Segment] = []
    latencies: list[float] = []
    for event_s in events:
        later = bisect_right(events, event_s)
        next_s = events[later] if later < len(events) else math.inf
        windows.append((event_s - BEFORE_S, min(event_s + DEADLINE_S, next_s)))
        hit = next((at_s for at_s in left if _inside(at_s, windows[-1:])), None)
        if hit is not None:
            left.remove(hit)
            latencies.append(hit - event_s)
    wrong = [at_s for at_s in left if not _inside(at_s, windows)]
    deceived = sum(
        any(start_s - BEFORE_S <= at_s <= end_s for at_s in wrong)
        for start_s, end_s in truth.negatives
    )
    return Score(
        tuple(latencies),
        len(events) - len(latencies),
        deceived,
        len(truth.negatives) - deceived,
    )


def total(scores: Iterable[Score]) -> Score:
    """Return the counts of all together."""
    some = list(scores)
    return Score(
        tuple(latency for one in some for latency in one.latencies_s),
        sum(one.missed for one in some),
        sum(one.false_positives for one in some),
        sum(one.true_negatives for one in some),
    )


def _inside(at_s: float, spans: Iterable[Segment]) -> bool:
    return any(start_s <= at_s <= end_s for start_s, end_s in spans)


def _share(some: int, others: int) -> float:
    return some / (some + others) if some + others else math.nan
