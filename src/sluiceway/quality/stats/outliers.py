"""Which points are unlike the rest, in a history that has seasons?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from sluiceway.quality.stats.arrays import NORMAL, finite, shrinkage
from sluiceway.quality.stats.tails import chi_square_tail

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sluiceway.quality.stats.arrays import Floats, Numbers

__all__ = ["Season", "modified_z", "season_of", "threshold"]

HOUR, DAY = 3600.0, 86400.0
_MEAN_NORMAL = 1.2533141373155001
"""The standard deviation of normal values is this often their mean absolute deviation."""
_LEAST = 3
"""Cycles, and points of a phase, without which no season is believed."""


@dataclass(frozen=True)
class Season:
    """``name``: ``none``, ``day of week``, ``hour of day`` or ``hour of day, day of week``; ``effect``:
    what each point owes to its phase; ``parameters``: how many medians that took."""

    name: str
    effect: Floats
    parameters: int = 0


def modified_z(values: Floats, parameters: int = 1) -> Floats:
    """Distances from the median, in robust standard deviations.

    Iglewicz, B. & Hoaglin, D. C. (1993), "How to Detect and Handle Outliers", ASQC 16: 0.6745 distances
    over the MAD; over 1.2533 mean absolute deviations where more than half of the values are equal.
    Zeros where all are. ``parameters`` fitted before make the spread look smaller than it is, which
    ``shrinkage`` makes good.

    >>> modified_z(np.array([1.0, 2.0, 3.0, 4.0, 100.0])).round(2)
    array([-1.21, -0.6 ,  0.  ,  0.6 , 58.52])
    """
    n = values.size
    if n == 0:
        return values
    apart = values - np.median(values)
    spread = float(np.median(np.abs(apart))) * NORMAL
    if spread == 0:
        spread = float(np.abs(apart).mean()) * _MEAN_NORMAL
    if spread == 0:
        return np.zeros(n)
    return apart / (spread * shrinkage(n, parameters))


def threshold(n: int, sensitivity: float = 3.5, false_alarms: float = 0.01) -> float:
    """How many deviations make an anomaly among ``n`` points.

    Iglewicz & Hoaglin's 3.5, or more where so many points would give more than ``false_alarms`` a history
    by chance; the normal quantile is widened for the spread having been estimated from few (a t of
    ``0.37 n`` degrees of freedom, the MAD's efficiency: Rousseeuw, P. J. & Croux, C. (1993), JASA 88).

    >>> round(threshold(10), 1), round(threshold(30), 1), round(threshold(1000), 1)
    (11.2, 5.2, 4.5)
    """
    if n == 0:
        return math.inf
    z = NormalDist().inv_cdf(1 - false_alarms / (2 * n))
    nu = 0.37 * (n - 1)
    if nu <= 2:  # five points or fewer: nothing stands out of them
        return max(sensitivity, 9 * z)
    t = math.sqrt(nu * math.expm1(z * z * (nu - 1.5) / (nu - 1) ** 2))  # Gaver & Kafadar (1984), Am. Stat. 38
    return max(sensitivity, t)


def season_of(values: Numbers, times: Numbers, base: Floats | None = None) -> Season:
    """The season of a history: medians of its phases, where they differ by more than chance.

    Args:
        times: seconds since 1970, UTC, in order. Points need not be evenly spaced.
        base: what the values would be without season, as far as it is known.

    A phase is an hour of the day or a day of the week. It is believed where the history holds three
    cycles of it, most phases three points, and Kruskal and Wallis's test (1952, JASA 47) finds the
    phases different at 1 %. Without ``base`` changes of level are taken out by a running median of one cycle.
    """
    x, y = finite(values, times)
    effect, names, parameters = np.zeros(y.size), [], 0
    for name, cycle, phase in _cycles(x):
        if y.size < 2 * _LEAST or x[-1] - x[0] < (_LEAST - 0.2) * cycle:
            continue
        rest = y - effect
        apart = rest - (_running(x, rest, cycle) if base is None else base)
        keys = np.unique(phase, return_inverse=True)[1]
        sizes = np.bincount(keys)
        if sizes.size < 2 or np.median(sizes) < _LEAST or not _differ(apart, keys, sizes):
            continue
        medians = np.array([np.median(apart[keys == key]) for key in range(sizes.size)])
        effect = effect + (medians - np.median(medians))[keys]
        names.append(name)
        parameters += sizes.size
    return Season(", ".join(names) or "none", effect, parameters)


def _cycles(x: Floats) -> list[tuple[str, float, NDArray[np.int64]]]:
    """Cycles that points so close together can show."""
    if x.size < 2:
        return []
    step = float(np.median(np.diff(x)))
    days = np.floor(x / DAY).astype(np.int64)
    found = []
    if step <= 4 * HOUR:
        found.append(("hour of day", DAY, np.floor(x % DAY / HOUR).astype(np.int64)))
    if step <= 1.5 * DAY:
        found.append(("day of week", 7 * DAY, (days + 3) % 7))  # 1970 began on a Thursday
    return found


def _running(x: Floats, y: Floats, cycle: float) -> Floats:
    """The median of one cycle about each point: by time, so that gaps do not shift it."""
    left = np.searchsorted(x, x - cycle / 2, side="left")
    right = np.searchsorted(x, x + cycle / 2, side="right")
    listed = y.tolist()  # windows are short: sorting a list of seven is a twentieth of a call into NumPy
    return np.array([_median(listed[a:b]) for a, b in zip(left.tolist(), right.tolist(), strict=True)])


def _median(values: list[float]) -> float:
    ordered, half = sorted(values), len(values) // 2
    return ordered[half] if len(values) % 2 else (ordered[half - 1] + ordered[half]) / 2


def _differ(values: Floats, keys: NDArray[np.int64], sizes: NDArray[np.int64]) -> bool:
    """Kruskal-Wallis at 1 %, with the correction for ties."""
    n = values.size
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    sums = np.bincount(keys, weights=ranks)
    h = 12 / (n * (n + 1.0)) * float((sums**2 / sizes).sum()) - 3 * (n + 1)
    ties = 1 - float((counts.astype(float) ** 3 - counts).sum()) / (float(n) ** 3 - n)
    return ties > 0 and chi_square_tail(h / ties, sizes.size - 1) < 0.01
