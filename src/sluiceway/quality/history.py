"""What one history says: its season, line or steps, trend and points that don't fit. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

import numpy as np

from sluiceway.quality.series import Series, meaning_of
from sluiceway.quality.stats.arrays import mad
from sluiceway.quality.stats.changepoints import change_points, despiked
from sluiceway.quality.stats.mannkendall import mann_kendall
from sluiceway.quality.stats.outliers import modified_z, season_of, threshold
from sluiceway.quality.stats.theilsen import theil_sen
from sluiceway.quality.trendmodel import ChangePoint, Direction, Meaning, MetricAnomaly, Trend

if TYPE_CHECKING:
    from sluiceway.quality.stats.arrays import Floats
    from sluiceway.quality.stats.changepoints import Changes
    from sluiceway.quality.stats.mannkendall import MannKendall
    from sluiceway.quality.stats.outliers import Season
    from sluiceway.quality.stats.theilsen import TheilSen

__all__ = ["LEAST_POINTS", "Settings", "adjusted", "analysed", "judged"]

DAY = 86400.0
LEAST_POINTS = 10
_GAP = 5.0
"""A silence of so many usual distances between runs is told."""

Shape = Literal["flat", "line", "steps"]


@dataclass(frozen=True)
class Settings:
    """``alpha``: level of the trend test, over all metrics together; ``sensitivity``: least robust
    deviations of an anomaly; ``min_points``: fewer are not judged; ``level_size``: points of a level."""

    alpha: float = 0.01
    sensitivity: float = 3.5
    min_points: int = LEAST_POINTS
    level_size: int = 5


def analysed(series: Series, settings: Settings) -> tuple[Trend, tuple[MetricAnomaly, ...]]:
    """One history by itself; whether its trend is significant is said by ``judged`` over all of them."""
    x, y = np.asarray(series.times), np.asarray(series.values)
    notes = _gaps(x)
    base = Trend(
        series.metric, series.column, series.check, y.size, float(y[0]), float(y[-1]), "unknown", "neutral",
        notes=notes,
    )  # fmt: skip
    if y.size < settings.min_points:
        said = f"{y.size} points; from {settings.min_points} on it is judged"
        return replace(base, notes=(*notes, said)), ()
    fit = _fitted(series, x, y, season_of(y, x), settings)
    # a step or a slope in a short history bends or hides its season, so once more without them
    season = season_of(y, x, base=fit.base)
    if season.parameters or fit.season.parameters:
        fit = _fitted(series, x, y, season, settings)
    line, test = fit.line, fit.test
    known = math.isfinite(line.slope)
    trend = replace(
        base,
        direction=_direction(test.s),
        slope=line.slope if known else None,
        low=line.low if known else None,
        high=line.high if known else None,
        p=test.p,
        tau=test.tau,
        season=fit.season.name,
        shape=fit.shape,
        exact=line.exact,
        change_points=_points(series, fit.changes) if fit.shape == "steps" else (),
        notes=notes if known else (*notes, "all points have one time: there is no slope"),
    )
    return trend, _anomalies(series, fit.rest, fit.season.parameters + fit.parameters, settings)


@dataclass(frozen=True)
class _Fit:
    """A history taken apart: season, ``base`` (level, line or steps) and ``rest`` add up to it."""

    season: Season
    line: TheilSen
    test: MannKendall
    changes: Changes
    shape: Shape
    base: Floats
    rest: Floats
    parameters: int


def _fitted(series: Series, x: Floats, y: Floats, season: Season, settings: Settings) -> _Fit:
    level, days = y - season.effect, (x - x[0]) / DAY
    line = theil_sen(level, days)
    test = mann_kendall(level, days, autocorrelation=True)
    changes = change_points(level, min_size=settings.level_size, parameters=season.parameters)
    trending = test.p <= settings.alpha
    shape, rest, parameters = _shape(level, days, line, changes, trending, _floor(series, y))
    return _Fit(season, line, test, changes, shape, level - rest, rest, parameters)


def judged(trends: Sequence[Trend], series: Sequence[Series], settings: Settings) -> list[Trend]:
    """Significance over all trends together, and what each means.

    Benjamini, Y. & Hochberg, Y. (1995), "Controlling the false discovery rate", JRSS B 57: among many
    metrics some look like a trend by chance.
    """
    tested = [k for k, trend in enumerate(trends) if trend.p is not None]
    values = dict(zip(tested, adjusted([trends[k].p or 0.0 for k in tested]), strict=True))
    out = []
    for k, trend in enumerate(trends):
        if k not in values:
            out.append(trend)
            continue
        real = values[k] <= settings.alpha and trend.shape != "flat" and _beyond_noise(trend, series[k])
        direction: Direction = trend.direction if real else "stable"
        sign = meaning_of(trend.metric) * {"rising": 1, "falling": -1}.get(direction, 0)
        meaning: Meaning = "neutral" if sign == 0 else ("better" if sign > 0 else "worse")
        out.append(
            replace(trend, p_adjusted=values[k], significant=real, direction=direction, meaning=meaning)
        )
    return out


def adjusted(p: Sequence[float]) -> list[float]:
    """Benjamini and Hochberg's p-values, in the order given.

    >>> [round(value, 3) for value in adjusted([0.01, 0.04, 0.03])]
    [0.03, 0.04, 0.04]
    """
    n = len(p)
    out = [1.0] * n
    least = 1.0
    for rank, k in sorted(enumerate(sorted(range(n), key=lambda k: p[k]), start=1), reverse=True):
        least = min(least, p[k] * n / rank)
        out[k] = least
    return out


def _direction(s: int) -> Direction:
    return "rising" if s > 0 else ("falling" if s < 0 else "stable")


def _beyond_noise(trend: Trend, series: Series) -> bool:
    """The whole range's rise is more than what its points scatter about the line, or it goes in steps."""
    if trend.slope is None:
        return False
    y, days = np.asarray(series.values), (np.asarray(series.times) - series.times[0]) / DAY
    rise = abs(trend.slope) * float(days[-1])
    if trend.shape == "steps":
        rise = max(rise, *(abs(c.after - c.before) for c in trend.change_points))
    return rise > max(mad(y - trend.slope * days), _floor(series, y))


def _floor(series: Series, y: Floats) -> float:
    """A difference that nobody acts on: two in a thousand of a share, one in a thousand of a number."""
    return 0.002 if series.share else 0.001 * abs(float(np.median(y)))


def _shape(
    level: Floats, days: Floats, line: TheilSen, changes: Changes, trending: bool, floor: float
) -> tuple[Shape, Floats, int]:
    """What describes the levels best, by BIC (Schwarz, 1978), what it leaves, and its parameters.

    A line looks like a staircase to a search for steps, and a step like a line to a test of trend: the
    one that leaves less for its parameters is told.
    """
    flat = level - np.median(level)
    sloped = level - line.slope * days - line.intercept if math.isfinite(line.slope) else flat
    points = [
        k
        for k, (a, b) in zip(
            changes.points, zip(changes.levels, changes.levels[1:], strict=False), strict=True
        )
        if abs(b - a) > floor
    ]
    stepped = np.concatenate([part - np.median(part) for part in np.split(level, points)])
    unit = max(changes.noise, mad(sloped if trending else flat), 1e-12)
    scores: dict[Shape, float] = {"flat": _bic(flat, unit, 1)}
    if trending:
        scores["line"] = _bic(sloped, unit, 2)
    if points and len(points) == len(changes.points):
        scores["steps"] = _bic(stepped, unit, 2 * len(points) + 1)
    best = min(scores, key=lambda name: scores[name])
    rests: dict[Shape, tuple[Floats, int]] = {
        "flat": (flat, 1), "line": (sloped, 2), "steps": (stepped, len(points) + 1),
    }  # fmt: skip
    return (best, *rests[best])


def _bic(rest: Floats, unit: float, parameters: int) -> float:
    n = rest.size
    squares = float((despiked(rest / unit, 1.0) ** 2).mean())
    return n * math.log(max(squares, 1e-6)) + parameters * math.log(n)


def _points(series: Series, changes: Changes) -> tuple[ChangePoint, ...]:
    return tuple(
        ChangePoint(
            _iso(series.times[k]), series.runs[k], changes.levels[i], changes.levels[i + 1],
            abs(changes.levels[i + 1] - changes.levels[i]) / changes.noise if changes.noise else None,
        )
        for i, k in enumerate(changes.points)
    )  # fmt: skip


def _anomalies(
    series: Series, rest: Floats, parameters: int, settings: Settings
) -> tuple[MetricAnomaly, ...]:
    y = np.asarray(series.values)
    z = modified_z(rest, parameters)
    bound, floor = threshold(y.size, settings.sensitivity), _floor(series, y)
    middle = float(np.median(rest))
    return tuple(
        MetricAnomaly(
            series.metric, series.column, series.check, _iso(series.times[k]), series.runs[k], float(y[k]),
            float(y[k] - rest[k] + middle), float(z[k]), bound,
        )
        for k in np.flatnonzero(np.abs(z) > bound)
        if abs(rest[k] - middle) > floor
    )  # fmt: skip


def _gaps(x: Floats) -> tuple[str, ...]:
    """Silences that are long for this history."""
    if x.size < 4:
        return ()
    steps = np.diff(x)
    usual = float(np.median(steps))
    longest = int(steps.argmax())
    if usual <= 0 or steps[longest] <= _GAP * usual:
        return ()
    return (f"no run between {_day(x[longest])} and {_day(x[longest + 1])}",)


def _iso(seconds: float) -> str:
    return (
        datetime.fromtimestamp(float(seconds), UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
    )


def _day(seconds: float) -> str:
    return _iso(seconds)[:16].replace("T", " ")
