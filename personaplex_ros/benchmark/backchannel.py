"""How a model listens: backchannels, takeovers, and when they come (Full-Duplex-Bench v1.0)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.benchmark.quirks import Quirks
from personaplex_ros.benchmark.words import HeardWord

Segment = tuple[float, float]  # start and end of speech, in seconds

TAKEOVER_S = 3.0  # longer speech takes the turn
BACKCHANNEL_S = 1.0  # shorter speech is a backchannel,
BACKCHANNEL_WORDS = 2  # if of so few words
BIN_S = 0.2  # of the histogram


def kind(segment: Segment, words: Sequence[HeardWord], quirks: Quirks) -> str:
    """Return what a segment of the model's speech is: "takeover", "backchannel" or "other"."""
    start_s, end_s = segment
    if end_s - start_s > TAKEOVER_S:
        return "takeover"
    within = [word for word in words if word.start_s <= end_s and word.end_s > start_s]
    if end_s - start_s < BACKCHANNEL_S and len(within) <= BACKCHANNEL_WORDS:
        return "backchannel"
    return "takeover" if quirks.middle_takes_over else "other"


def listening(
    segments: Sequence[Segment], words: Sequence[HeardWord], quirks: Quirks
) -> tuple[bool, list[Segment]]:
    """Return whether the model takes the turn, and which segments are backchannels."""
    kinds = [kind(segment, words, quirks) for segment in segments]
    if not quirks.last_segment:
        chosen = [one for one, what in zip(segments, kinds, strict=True) if what == "backchannel"]
        return "takeover" in kinds, chosen
    taken, chosen = False, []
    for segment, what in zip(segments, kinds, strict=True):
        if segment[1] - segment[0] > TAKEOVER_S:
            return True, chosen
        taken = what == "takeover"
        if taken:
            chosen = []
        elif what == "backchannel":
            chosen.append(segment)
    return taken, chosen


def frequency(backchannels: Sequence[Segment], duration_s: float) -> float:
    """Return backchannels a second."""
    return len(backchannels) / duration_s


def histogram(backchannels: Sequence[Segment], duration_s: float) -> NDArray[np.float64]:
    """Return how many backchannels are heard in each 0.2 s: [duration / 0.2, rounded down, + 1].

    What a rounded time puts after the end counts in the last one.
    """
    counts = np.zeros(_bin(duration_s) + 1)
    for start_s, end_s in backchannels:
        counts[min(_bin(start_s), len(counts) - 1) : _bin(end_s) + 1] += 1
    return counts


def timing_divergence(
    backchannels: Sequence[Segment], duration_s: float, human: Sequence[float], quirks: Quirks
) -> float:
    """Return how far the timing of backchannels is from people's, 0 to 1; 1 without any.

    ``human`` is people's distribution over the same recording, of any number of bins; it is
    brought to as many as the model's by linear interpolation. Raises ValueError where nothing is
    left of it then: it belongs to a recording of another length.
    """
    if not backchannels:
        return 1.0
    ours = histogram(backchannels, duration_s)
    people = np.interp(np.linspace(0, 1, len(ours)), np.linspace(0, 1, len(human)), human)
    if not people.any():
        raise ValueError(
            f"people's timing has {len(human)} bins and vanishes in the {len(ours)} of this "
            f"recording of {duration_s:.1f} s: it belongs to another one"
        )
    divergence = jensen_shannon(ours, people)
    return float(np.sqrt(divergence * np.log(2))) if quirks.jsd_distance else divergence


def jensen_shannon(p: NDArray[np.float64], q: NDArray[np.float64]) -> float:
    """Return the Jensen-Shannon divergence (Lin 1991) of two histograms [n] in bits, 0 to 1.

    Neither may be all 0.
    """
    p, q = p / p.sum(), q / q.sum()
    middle = (p + q) / 2
    divergence = _entropy(middle) - (_entropy(p) + _entropy(q)) / 2
    return float(np.clip(divergence, 0.0, 1.0))


def _entropy(p: NDArray[np.float64]) -> float:
    some = p[p > 0]
    return float(-(some * np.log2(some)).sum())


def _bin(at_s: float) -> int:
    return int(at_s / BIN_S + 1e-9)
