"""When did the level change? PELT with a BIC penalty, on values whose lone outliers were taken out."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sluiceway.quality.stats.arrays import NORMAL, mad, shrinkage
from sluiceway.quality.stats.tails import student_tails

if TYPE_CHECKING:
    from sluiceway.quality.stats.arrays import Floats, Numbers

__all__ = ["Changes", "change_points", "despiked", "noise", "pelt"]

_GRID = 2_500
"""Where there are more points, changes are first looked for on a grid of so many, then about it."""
_ALPHA = 0.05
_EFFICIENCY = 0.37
"""Of the MAD beside the standard deviation, for normal noise: degrees of freedom a value of what is estimated
from it (Huber & Ronchetti 2009, "Robust Statistics", ch. 5)."""
METHOD = "PELT, least squares on despiked values, penalty 3 ln n"


@dataclass(frozen=True)
class Changes:
    """``points``: the first index of each new level; ``levels``: the median of each segment; ``noise``:
    the standard deviation within segments, as estimated; ``method`` says how it was found."""

    points: tuple[int, ...]
    levels: tuple[float, ...]
    noise: float
    method: str = METHOD


def change_points(values: Numbers, *, min_size: int = 4, effect: float = 1.0, parameters: int = 0) -> Changes:
    """Indices at which the level of ``values`` changes. They must be finite.

    Killick, R., Fearnhead, P. & Eckley, I. A. (2012), "Optimal detection of changepoints with a linear
    computational cost", JASA 107. The penalty ``3 ln n`` a change is the modified BIC of Zhang, N. R. &
    Siegmund, D. O. (2007), Biometrics 63. Least squares would make two changes of each outlier, so lone
    ones are first replaced by the median around them (Hampel's filter); the unit is a robust estimate of
    the noise.

    Args:
        min_size: points that a level has at least.
        effect: changes of less than so many standard deviations of the noise are left out.
        parameters: medians of a season that were taken out before.

    >>> change_points([1, 1.1, 0.9, 1, 1.1, 5, 5.1, 4.9, 5, 5.1]).points
    (5,)
    """
    y = np.asarray(values, dtype=np.float64)
    if y.size < 2 * min_size:
        return Changes((), (float(np.median(y)),) if y.size else (), noise(y))
    unit = noise(y)
    if unit == 0:
        points = _steps(y, min_size)
        unit = _rest_noise(y)
        if points or unit == 0:
            return _changes(y, points, 0.0)
    unit *= shrinkage(y.size, parameters)
    smooth = despiked(y, unit)
    penalty = 3 * math.log(y.size) * _inflation(smooth / unit)
    jump = math.ceil(y.size / _GRID)
    points = pelt(smooth / unit, penalty, min_size, jump)
    if jump > 1:
        points = _refined(smooth, points, jump)
    degrees = max(_EFFICIENCY * (y.size - 1 - parameters), 3.0)
    while points:
        steps = np.abs(np.diff(_levels(smooth, points))) / unit
        least = int(steps.argmin())
        if steps[least] >= effect:
            chances = [_by_chance(steps[k], points, k, y.size, degrees) for k in range(len(points))]
            least = int(np.argmax(chances))
            if chances[least] <= _ALPHA:
                break
        points.pop(least)
    return _changes(y, points, unit)


def _by_chance(step: float, points: list[int], k: int, n: int, degrees: float) -> float:
    """How likely chance alone makes a step like the one at ``points[k]`` somewhere among ``n`` places.

    ``step`` in units of the noise. Student's, since in a short history the noise is only estimated, and
    Bonferroni's, since the place was looked for.
    """
    edges = [0, *points, n]
    before, after = edges[k + 1] - edges[k], edges[k + 2] - edges[k + 1]
    return n * student_tails(step * math.sqrt(before * after / (before + after)), degrees)


def pelt(values: Floats, penalty: float, min_size: int = 1, jump: int = 1) -> list[int]:
    """The segmentation with the least sum of squared distances to segments' means, ``penalty`` a change.

    Exact: a start is dropped only once it can't be part of an optimum (their theorem 3.1). With ``jump``
    only each so manieth point may begin a segment.

    >>> pelt(np.array([0.0, 0, 0, 9, 9, 9]), 1.0)
    [3]
    """
    n = values.size
    grid = np.r_[np.arange(0, n, jump), n]
    centred = values - values.mean() if n else values  # squares of large values would lose digits
    sums, squares = np.r_[0.0, np.cumsum(centred)][grid], np.r_[0.0, np.cumsum(centred**2)][grid]
    size, ends = math.ceil(min_size / jump), grid.size - 1
    best = np.full(ends + 1, np.inf)
    best[0] = -penalty
    last = np.zeros(ends + 1, dtype=np.int64)
    starts, until = np.array([0], dtype=np.int64), np.array([ends + 1], dtype=np.int64)
    for end in range(size, ends + 1):
        if end >= 2 * size:  # a segment may begin min_size before this end
            starts, until = np.append(starts, end - size), np.append(until, ends + 1)
        cost = squares[end] - squares[starts] - (sums[end] - sums[starts]) ** 2 / (grid[end] - grid[starts])
        total = best[starts] + cost
        least = int(total.argmin())
        best[end], last[end] = total[least] + penalty, starts[least]
        # what loses here to a new segment from here loses for good, once that segment may be: min_size on
        until = np.where(total > best[end], np.minimum(until, end + size), until)
        kept = until > end + 1
        if not kept.all():
            starts, until = starts[kept], until[kept]
    points: list[int] = []
    at = ends
    while at > 0 and last[at] > 0:
        at = int(last[at])
        points.append(int(grid[at]))
    return points[::-1]


def noise(values: Floats) -> float:
    """The noise's standard deviation, whatever the levels do: by the MAD of differences of neighbours.

    Von Neumann, J. et al. (1941), "The mean square successive difference", Ann. Math. Statist. 12, with
    the median in place of the mean. 0 where more than half of the neighbours are equal.

    >>> noise(np.array([1.0, 1.0, 1.0, 9.0, 9.0]))
    0.0
    """
    if values.size < 2:
        return 0.0
    return float(np.median(np.abs(np.diff(values)))) * NORMAL / math.sqrt(2)


def despiked(values: Floats, unit: float, reach: int = 3, bound: float = 4.0) -> Floats:
    """Values further than ``bound`` units from the median of the ``2 * reach + 1`` around them become it.

    >>> despiked(np.array([1.0, 1, 1, 50, 1, 1, 1]), 1.0)
    array([1., 1., 1., 1., 1., 1., 1.])
    """
    if values.size < 2 * reach + 1:
        return values
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(values, reach, mode="reflect"), 2 * reach + 1)
    middle = np.median(windows, axis=1)
    return np.where(np.abs(values - middle) > bound * unit, middle, values)


def _rest_noise(values: Floats) -> float:
    """The noise where most neighbours are equal: that of those that are not; 0 if all are."""
    steps = np.abs(np.diff(values))
    steps = steps[steps > 0]
    return float(np.median(steps)) * NORMAL / math.sqrt(2) if steps.size > 1 else 0.0


def _refined(values: Floats, points: list[int], jump: int) -> list[int]:
    """Each change where it splits the stretch between its neighbours best, a grid's step about it."""
    sums = np.r_[0.0, np.cumsum(values - values.mean())]
    found: list[int] = []
    for k, point in enumerate(points):
        begin = found[-1] if found else 0
        end = points[k + 1] if k + 1 < len(points) else values.size
        tries = np.arange(max(begin + 1, point - jump), min(end, point + jump + 1))
        gain = (sums[tries] - sums[begin]) ** 2 / (tries - begin)
        gain += (sums[end] - sums[tries]) ** 2 / (end - tries)
        found.append(int(tries[gain.argmax()]))
    return found


def _inflation(values: Floats) -> float:
    """What positive autocorrelation ``r`` adds to the penalty: else every slow wave is a change.

    The variance of a mean grows by (1 + r) / (1 - r), and the noise was estimated from differences, which
    are smaller by 1 - r. ``r`` is estimated from differences too: changes of level hardly touch them.
    """
    if values.size < 30:
        return 1.0
    near, far = mad(np.diff(values)) ** 2, mad(values[2:] - values[:-2]) ** 2
    if near == 0:
        return 1.0
    # of an AR(1) var(x2 - x0) / var(x1 - x0) is 1 + r; what white noise shows by chance is taken off
    r = min(max(far / near - 1 - 2 / math.sqrt(values.size), 0.0), 0.8)
    return (1 + r) / (1 - r) ** 2


def _steps(y: Floats, min_size: int) -> list[int]:
    """Where there is no noise, each level that lasts is one."""
    edges = [0, *(np.flatnonzero(np.diff(y)) + 1).tolist(), y.size]
    lasting = [(a, b) for a, b in itertools.pairwise(edges) if b - a >= min_size]
    return [b[0] for a, b in itertools.pairwise(lasting) if y[a[0]] != y[b[0]]]


def _levels(y: Floats, points: list[int]) -> Floats:
    return np.array([np.median(part) for part in np.split(y, points)])


def _changes(y: Floats, points: list[int], unit: float) -> Changes:
    return Changes(tuple(points), tuple(float(v) for v in _levels(y, points)), unit)
