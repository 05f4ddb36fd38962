"""Means with 95 % confidence intervals: Wilson's for shares, bootstrap for everything else."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Z = 1.959963984540054  # two-sided 95 % of a standard normal distribution
RESAMPLES = 2000


@dataclass(frozen=True)
class Estimate:
    """A value, the ends of its 95 % confidence interval, and of how many observations."""

    value: float
    low: float
    high: float
    n: int


NOTHING = Estimate(math.nan, math.nan, math.nan, 0)


def share(outcomes: Sequence[bool]) -> Estimate:
    """Return how often something happened, with the score interval of Wilson (1927)."""
    n = len(outcomes)
    if n == 0:
        return NOTHING
    p = sum(outcomes) / n
    centre = (p + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * math.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
    return Estimate(p, max(0.0, centre - half), min(1.0, centre + half), n)


def bootstrap(
    rows: Sequence[Any], statistic: Callable[[NDArray[np.float64]], float], n: int | None = None
) -> Estimate:
    """Return a statistic of rows [n] or [n, k] with its percentile interval (Efron 1979).

    Whole rows are drawn again; the draws are always the same. ``n`` is what to report as number of
    observations where that is not the number of rows.
    """
    values = np.asarray(rows, np.float64)
    if len(values) == 0:
        return NOTHING
    rng = np.random.default_rng(0)
    draws = [
        statistic(values[rng.integers(len(values), size=len(values))]) for _ in range(RESAMPLES)
    ]
    low, high = np.percentile(draws, [2.5, 97.5])
    return Estimate(statistic(values), float(low), float(high), n or len(values))


def mean(values: NDArray[np.float64]) -> float:
    """Return the mean of [n]."""
    return float(values.mean())


def median(values: NDArray[np.float64]) -> float:
    """Return the median of [n]."""
    return float(np.median(values))


def slowest(values: NDArray[np.float64]) -> float:
    """Return the 99th percentile of [n]."""
    return float(np.percentile(values, 99))
