"""How different are two distributions? From counts alone, so that no row has to leave an engine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sluiceway.quality.stats.tails import chi_square_tail, kolmogorov_tail

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sluiceway.quality.stats.arrays import Floats, Numbers

    Counts = Sequence[int] | Sequence[float] | NDArray[np.int64] | Floats

__all__ = ["ChiSquare", "Kolmogorov", "chi_square", "cohen_d", "kolmogorov_smirnov", "ks_of_counts", "psi"]

FLOOR = 1e-4
"""The least share of a bin in a stability index."""


@dataclass(frozen=True)
class Kolmogorov:
    """``d``: the greatest distance of the two distribution functions, 0..1; ``at``: the index of the
    value, or bin, after which it is reached; ``p``: asymptotic. NaN where a side is empty."""

    d: float
    p: float
    at: int | None = None


@dataclass(frozen=True)
class ChiSquare:
    """``v``: Cramér's V, the effect, 0..1. NaN where a side is empty; 0 where there is one category."""

    statistic: float
    degrees: int
    p: float
    v: float


def psi(before: Counts, after: Counts) -> float:
    """The population stability index of counts in the same bins: Σ (a - b) ln(a / b) over shares.

    Siddiqi, N. (2006), "Credit Risk Scorecards": below 0.1 stable, from 0.25 on shifted. It is Jeffreys'
    divergence (1946). An empty bin has no logarithm: shares below ``FLOOR`` count as that, so that the
    index of a new value depends on its share and not on how many rows there are.

    >>> psi([10, 20, 30], [10, 20, 30]), round(psi([50, 50], [25, 75]), 4)
    (0.0, 0.2747)
    """
    b, a = (np.asarray(side, dtype=np.float64) for side in (before, after))
    kept = (b + a) > 0
    b, a = b[kept], a[kept]
    if b.sum() == 0 or a.sum() == 0:
        return math.nan
    b, a = np.maximum(b / b.sum(), FLOOR), np.maximum(a / a.sum(), FLOOR)
    return float(((a - b) * np.log(a / b)).sum())


def ks_of_counts(before: Counts, after: Counts) -> Kolmogorov:
    """The two-sample test of Smirnov (1939) from counts in ordered bins.

    With a bin a value it is exact; with coarser bins ``d`` is at most the true one, and ``p`` at least.

    >>> ks_of_counts([10, 0], [0, 10]).d
    1.0
    """
    b, a = (np.asarray(side, dtype=np.float64) for side in (before, after))
    n, m = float(b.sum()), float(a.sum())
    if n == 0 or m == 0:
        return Kolmogorov(math.nan, math.nan)
    apart = np.abs(np.cumsum(b) / n - np.cumsum(a) / m)
    at = int(apart.argmax())
    d = min(float(apart[at]), 1.0)
    return Kolmogorov(d, kolmogorov_tail(math.sqrt(n * m / (n + m)) * d), at)


def kolmogorov_smirnov(before: Numbers, after: Numbers) -> Kolmogorov:
    """The two-sample test over values; NaN is left out. ``at`` indexes the distinct values, sorted.

    >>> kolmogorov_smirnov([1, 2, 3], [1, 2, 3]).p
    1.0
    """
    b, a = (np.asarray(side, dtype=np.float64) for side in (before, after))
    b, a = b[~np.isnan(b)], a[~np.isnan(a)]
    values, where = np.unique(np.r_[b, a], return_inverse=True)
    counts = (np.bincount(part, minlength=values.size) for part in (where[: b.size], where[b.size :]))
    return ks_of_counts(*counts)


def chi_square(before: Counts, after: Counts) -> ChiSquare:
    """Pearson's test (1900) that two sides have the same shares, with the effect of Cramér (1946).

    Categories that neither side has are left out. No correction for continuity.

    >>> found = chi_square([50, 50], [25, 75])
    >>> round(found.statistic, 4), found.degrees, round(found.v, 4)
    (13.3333, 1, 0.2582)
    """
    table = np.vstack([np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)])
    table = table[:, table.sum(axis=0) > 0]
    sides, total = table.sum(axis=1), float(table.sum())
    if (sides == 0).any():
        return ChiSquare(math.nan, 0, math.nan, math.nan)
    degrees = table.shape[1] - 1
    if degrees == 0:
        return ChiSquare(0.0, 0, 1.0, 0.0)
    expected = np.outer(sides, table.sum(axis=0)) / total
    statistic = float(((table - expected) ** 2 / expected).sum())
    return ChiSquare(statistic, degrees, chi_square_tail(statistic, degrees), math.sqrt(statistic / total))


def cohen_d(means: tuple[float, float], deviations: tuple[float, float]) -> float:
    """The distance of two means in pooled standard deviations: Cohen, J. (1988), "Statistical Power
    Analysis", 2nd ed. 0 where both are the same constant, infinite where they are two.

    >>> cohen_d((1.0, 3.0), (2.0, 2.0))
    1.0
    """
    pooled = math.hypot(*deviations) / math.sqrt(2)
    apart = means[1] - means[0]
    if pooled == 0:
        return 0.0 if apart == 0 else math.copysign(math.inf, apart)
    return apart / pooled
