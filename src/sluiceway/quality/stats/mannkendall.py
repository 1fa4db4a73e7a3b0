"""Is there a trend? Mann's and Kendall's test, which asks for order alone and for no distribution."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np

from sluiceway.quality.stats.arrays import finite, inversions, tie_sizes
from sluiceway.quality.stats.theilsen import theil_sen

if TYPE_CHECKING:
    from sluiceway.quality.stats.arrays import Floats, Numbers

__all__ = ["MannKendall", "mann_kendall"]

_EXACT = 30
"""Up to so many points without ties the distribution of S is counted out."""
_LEAST = 10
"""Fewer points say nothing about their autocorrelation."""


@dataclass(frozen=True)
class MannKendall:
    """``s``: rising pairs less falling ones; ``tau``: Kendall's tau-b, -1..1; ``p``: two-sided.

    ``variance`` is S's, with ``correction`` for autocorrelation in it (1: none); ``exact``: ``p`` was
    counted, not approximated. ``p`` is 1 where there are fewer than three points or all are equal.
    """

    n: int
    s: int
    variance: float
    z: float
    p: float
    tau: float
    correction: float = 1.0
    exact: bool = False

    def direction(self, alpha: float = 0.05) -> Literal["rising", "falling", "none"]:
        """``none`` where the test finds no trend at level ``alpha``."""
        if self.p > alpha or self.s == 0:
            return "none"
        return "rising" if self.s > 0 else "falling"


def mann_kendall(
    values: Numbers, times: Numbers | None = None, *, autocorrelation: bool = False
) -> MannKendall:
    """Mann's test of a trend, with Kendall's variance for ties. NaN and infinities are left out.

    Mann, H. B. (1945), "Nonparametric tests against trend", Econometrica 13; Kendall, M. G. (1975), "Rank
    Correlation Methods", 4th ed., for the ties, the continuity correction and the exact distribution.

    Args:
        times: what orders the points; their own order if absent.
        autocorrelation: widen the variance by the autocorrelation of the detrended ranks: Hamed, K. H. &
            Rao, A. R. (1998), "A modified Mann-Kendall trend test for autocorrelated data", J. Hydrology
            204. Never narrower than for independent points, and from ten points on.

    >>> found = mann_kendall([1, 2, 3, 4, 6, 5, 7, 9, 8, 10])
    >>> found.s, found.direction(), round(found.p, 6)
    (41, 'rising', 3e-05)
    """
    x, y = finite(values, times)
    n = y.size
    if n < 3 or y[0] == y.max() == y.min():
        return MannKendall(n, 0, 0.0, 0.0, 1.0, 0.0)
    ties = tie_sizes(y)
    pairs = n * (n - 1) // 2
    tied = int((ties * (ties - 1) // 2).sum())
    falling = inversions(y)
    s = pairs - tied - 2 * falling
    variance = (n * (n - 1) * (2 * n + 5) - int((ties * (ties - 1) * (2 * ties + 5)).sum())) / 18
    tau = s / math.sqrt(pairs * (pairs - tied))
    correction = _correction(x, y) if autocorrelation and n >= _LEAST else 1.0
    variance *= correction
    z = (s - math.copysign(1, s)) / math.sqrt(variance) if s else 0.0
    exact = correction == 1.0 and not tied and n <= _EXACT
    p = _counted(n, falling) if exact else math.erfc(abs(z) / math.sqrt(2))
    return MannKendall(n, s, variance, z, p, tau, correction, exact)


def _counted(n: int, falling: int) -> float:
    """The share of all orders of n values with a count of inversions at least as far from the middle."""
    return min(1.0, 2 * _tails(n)[min(falling, n * (n - 1) // 2 - falling)])


@lru_cache(maxsize=_EXACT)
def _tails(n: int) -> tuple[float, ...]:
    """The share of all orders of n values with at most k inversions, for each k (Kendall's recursion)."""
    ways = [1]
    for size in range(2, n + 1):  # one more value can be put before 0 .. size - 1 of the others
        sums = [0, *itertools.accumulate(ways + [0] * (size - 1))]
        ways = [sums[k + 1] - sums[max(0, k - size + 1)] for k in range(size * (size - 1) // 2 + 1)]
    orders = math.factorial(n)
    return tuple(total / orders for total in itertools.accumulate(ways))


def _correction(x: Floats, y: Floats) -> float:
    """n/n*: Hamed & Rao's equation 12, over the lags that are significant at 5 %."""
    n = y.size
    ranks = _ranks(y - theil_sen(y, x).slope * x)
    centred = ranks - ranks.mean()
    power = float(centred @ centred)
    if power == 0:
        return 1.0
    spectrum = np.fft.rfft(centred, 2 * n)
    rho = np.fft.irfft(spectrum * spectrum.conj(), 2 * n)[1:n] / power
    lags = np.arange(1, n)
    kept = np.abs(rho) > 1.959963984540054 / math.sqrt(n)
    weights = (n - lags) * (n - lags - 1.0) * (n - lags - 2.0)
    return max(1.0, 1 + 2 / (n * (n - 1.0) * (n - 2.0)) * float((weights * rho)[kept].sum()))


def _ranks(values: Floats) -> Floats:
    """Ranks from 1; equal values share the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[inverse], dtype=np.float64)
