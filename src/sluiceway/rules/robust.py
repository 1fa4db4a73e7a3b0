"""Is a value unlike those before it? Robust statistics over a short history, with seasons and a trend.

A value is judged by the modified z-score of Iglewicz and Hoaglin (*How to Detect and Handle Outliers*,
ASQC, 1993): its distance from the median, in medians of absolute deviation (MAD) scaled by 1.4826 to be a
standard deviation where values are normal. Where the MAD is 0 their fallback is taken, 1.2533 mean
absolute deviations; where that is 0 too the history is constant, and whatever differs from it by more
than half a percent is unlike it.

* Seasons: each point is compared with the points of its own hour or weekday. Deviations are from the
  median of the *other* points of the season (leave one out), so that they measure what a new value's
  deviation is, and are pooled over all seasons. ``auto`` takes the season whose mean absolute deviation is
  the least, if that is below 0.7 of the one without.
* Trend: the median of the slopes between points of one season (Hirsch, Slack and Smith, *Techniques of
  trend analysis for monthly water quality data*, 1982, after Theil and Sen), if that lowers the mean
  absolute deviation below 0.7.
* Quantities above 0 whose noise grows with their level are judged by their logarithm.
* A MAD of few points is uncertain: the limit of ``z`` is made wider by ``1 + 0.42 z^2.45 / (n - 4)``. That
  was fitted to a simulation of normal noise (5 to 200 points, z of 2 to 3): at the default of 3 it keeps the
  rate of false alarms at the 0.3 % that a normal distribution has beyond 3. A test repeats it.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from statistics import fmean, median
from typing import Literal

__all__ = ["Direction", "Finding", "Point", "Seasonality", "judge", "widened"]

Seasonality = Literal["auto", "none", "hourly", "daily", "weekly"]
Direction = Literal["both", "spike", "drop"]
Point = tuple[datetime, float]

_MAD = 1.4826
_MEAN = 1.2533
_BETTER = 0.7
_CONSTANT = 0.005
_SLOPE_POINTS = 90
_DAY = 86_400.0
_PERIODS = {"hourly": 3_600.0, "daily": _DAY, "weekly": 7 * _DAY}


@dataclass(frozen=True)
class Finding:
    """What history says of a value. ``expected`` is the median of its season, ``low`` and ``high`` the
    band that is usual; ``score`` the modified z-score (infinite where the history is constant)."""

    expected: float
    low: float
    high: float
    score: float
    anomalous: bool
    points: int
    seasonality: str = "none"

    @property
    def direction(self) -> str:
        return "spike" if self.score > 0 else "drop"


@dataclass(frozen=True)
class _Fit:
    """Deviations of the points from what the others of their season say; ``centre`` for the new one."""

    seasonality: str
    centre: float
    deviations: tuple[float, ...]
    seasons: int
    slope: float = 0.0
    logarithmic: bool = False
    levels: tuple[float, ...] = ()

    @property
    def spread(self) -> float:
        return fmean(abs(d) for d in self.deviations)


def widened(z: float, points: int) -> float:
    """The limit for a z-score whose scale was estimated from ``points`` values.

    >>> round(widened(3, 14), 2), round(widened(3, 200), 2)
    (4.86, 3.09)
    """
    return float(z * (1 + 0.42 * z**2.45 / max(1, points - 4)))


def judge(
    points: Sequence[Point],
    at: datetime,
    value: float,
    *,
    sensitivity: float = 3.0,
    seasonality: Seasonality = "auto",
    direction: Direction = "both",
    ignore: float = 0.0,
) -> Finding:
    """Judge ``value``, measured at ``at``, by finite ``points`` before it; there must be one at least.

    Args:
        ignore: a change of at most this share of the expected value is never an anomaly.

    >>> from datetime import timedelta
    >>> day = datetime(2026, 11, 2)
    >>> usual = [(day + timedelta(days=n), 100 + n % 3) for n in range(20)]
    >>> found = judge(usual, day + timedelta(days=20), 180)
    >>> found.anomalous, found.direction, found.expected
    (True, 'spike', 101.0)
    """
    ordered = sorted(points)
    fit = _fitted(ordered, at, seasonality)
    scale, constant = _scale(fit)
    known = len(fit.deviations) - fit.seasons + 1
    if fit.seasons > 1 or fit.slope:  # what was chosen and fitted explains some of the noise too
        known //= 2
    limit = widened(sensitivity, known)
    if constant:
        scale = max(abs(fit.centre) * _CONSTANT, 1e-12) / limit
    y = _log(value) if fit.logarithmic else value
    score = (y - fit.centre) / scale
    back = math.exp if fit.logarithmic else float
    expected = back(fit.centre)
    low, high = (_back(back, fit.centre + side * limit * scale) for side in (-1, 1))
    beyond = score > limit if value > expected else -score > limit
    wanted = direction == "both" or (score > 0) == (direction == "spike")
    small = abs(value - expected) <= ignore * abs(expected)
    if constant and beyond:
        score = math.copysign(math.inf, score)
    return Finding(expected, low, high, score, beyond and wanted and not small, len(ordered), fit.seasonality)


def _back(back: Callable[[float], float], value: float) -> float:
    try:
        return back(value)
    except OverflowError:
        return math.inf


def _log(value: float) -> float:
    return math.log(value) if value > 0 else -math.inf


def _scale(fit: _Fit) -> tuple[float, bool]:
    """The standard deviation that deviations stand for; and whether the history is constant."""
    sizes = [abs(d) for d in fit.deviations]
    if not sizes:
        return 0.0, True
    floor = 1e-12 * max(1.0, abs(fit.centre))
    for scale in (_MAD * median(sizes), _MEAN * fmean(sizes)):
        if scale > floor:
            return scale, False
    return 0.0, True


def _fitted(points: Sequence[Point], at: datetime, seasonality: Seasonality) -> _Fit:
    fits = [_choose(points, at, seasonality)]
    values = [value for _, value in points]
    if min(values) > 0 and max(values) >= 2 * min(values):
        logs = [(moment, math.log(value)) for moment, value in points]
        fits.append(replace(_choose(logs, at, seasonality), logarithmic=True))
    return min(fits, key=_uneven)


def _uneven(fit: _Fit) -> float:
    """How much more noise there is where the level is high than where it is low: 0 is even."""
    order = sorted(range(len(fit.levels)), key=lambda i: fit.levels[i])
    half = len(order) // 2
    if half < 2:
        return 0.0
    low, high = (median(abs(fit.deviations[i]) for i in part) for part in (order[:half], order[-half:]))
    if low <= 0 or high <= 0:
        return 0.0 if low == high else math.inf
    return abs(math.log(high / low))


def _choose(points: Sequence[Point], at: datetime, seasonality: Seasonality) -> _Fit:
    plain = _with_trend(points, at, "none")
    assert plain is not None
    names = list(_PERIODS) if seasonality == "auto" else [seasonality]
    found = [fit for name in names if name != "none" and (fit := _with_trend(points, at, name))]
    if not found:
        return plain
    best = min(found, key=lambda fit: fit.spread)
    asked = seasonality != "auto"
    return best if asked or best.spread < _BETTER * plain.spread else plain


def _with_trend(points: Sequence[Point], at: datetime, name: str) -> _Fit | None:
    level = _fit(points, at, name, 0.0)
    if level is None or len(points) < 8:
        return level
    slope = _slope(points, _seasons(points, name))
    trend = _fit(points, at, name, slope) if slope else None
    return trend if trend is not None and trend.spread < _BETTER * level.spread else level


def _fit(points: Sequence[Point], at: datetime, name: str, slope: float) -> _Fit | None:
    """None where the season of ``at`` is not known yet: it, and most others, must have come twice."""
    key = _seasons(points, name)
    groups: dict[Hashable, list[float]] = {}
    flat = [value - slope * _days(moment, at) for moment, value in points]
    for (moment, _), value in zip(points, flat, strict=True):
        groups.setdefault(key(moment), []).append(value)
    own = groups.get(key(at), [])
    if not own or (name != "none" and (len(own) < 2 or len(points) < 2 * len(groups))):
        return None
    for values in groups.values():
        values.sort()
    levels = {season: median(values) for season, values in groups.items()}
    deviations, at_level = [], []
    for (moment, _), value in zip(points, flat, strict=True):
        others = groups[key(moment)]
        if len(others) > 1:
            deviations.append(value - _median_without(others, value))
            at_level.append(levels[key(moment)])
    if not deviations:  # a single point: whatever differs from it is unlike it
        deviations, at_level = [0.0], [own[0]]
    return _Fit(name, median(own), tuple(deviations), len(groups), slope, levels=tuple(at_level))


def _median_without(ordered: list[float], value: float) -> float:
    """The median of the others.

    >>> _median_without([1.0, 2.0, 4.0], 1.0), _median_without([1.0, 2.0, 4.0, 9.0], 4.0)
    (3.0, 2.0)
    """
    gone, count = bisect_left(ordered, value), len(ordered) - 1
    high, low = count // 2, (count - 1) // 2
    return (ordered[high + (high >= gone)] + ordered[low + (low >= gone)]) / 2


def _days(moment: datetime, at: datetime) -> float:
    return (moment - at).total_seconds() / _DAY


def _slope(points: Sequence[Point], key: Callable[[datetime], Hashable]) -> float:
    """A day's change: the median slope between points of the same season."""
    groups: dict[Hashable, list[Point]] = {}
    for point in points[-_SLOPE_POINTS:]:
        groups.setdefault(key(point[0]), []).append(point)
    slopes = [
        (b[1] - a[1]) / _days(b[0], a[0])
        for group in groups.values()
        for i, a in enumerate(group)
        for b in group[i + 1 :]
        if b[0] != a[0]
    ]
    return median(slopes) if slopes else 0.0


def _seasons(points: Sequence[Point], name: str) -> Callable[[datetime], Hashable]:
    """A moment's season. Where points are closer than half a day a week has seasons by the hour."""
    if name == "hourly":
        return lambda moment: moment.minute // 5
    if name == "daily":
        return lambda moment: moment.hour
    if name == "weekly":
        gaps = [(b[0] - a[0]).total_seconds() for a, b in itertools.pairwise(points)]
        if gaps and median(gaps) < _DAY / 2:
            return lambda moment: (moment.weekday(), moment.hour)
        return lambda moment: moment.weekday()
    return lambda _: 0
