"""Sudden gaps in columns of dates and times."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from sluiceway.duck import ident, literal
from sluiceway.quality.anomaly_methods import TIMES, Suspect, bounds_of

if TYPE_CHECKING:
    from sluiceway.quality.anomalies import Look
    from sluiceway.schema import Column

__all__ = ["gaps"]

_LEAST = 30
_TOO_MANY = 0.05
_UNITS = (
    ("second", 1),
    ("minute", 60),
    ("hour", 3600),
    ("day", 86_400),
    ("week", 604_800),
    ("month", 2_629_800),
)
_BUCKETS = 20_000
_ALARM = 0.001


def gaps(look: Look) -> list[Suspect]:
    """Stretches of time without a row, much longer than the usual distance between rows.

    Times are counted in the finest unit with at most 20,000 buckets. A gap is longer than what one in a
    thousand tables of as many rows would show if rows came at random. Where distances are regular (their
    95th percentile is at most three medians) the length of a run of empty buckets is geometric, and it
    also has to be longer than 1.5 times that percentile; else distances are taken as exponential (median
    × log2(n / 0.001)), and it has to be longer than three times the 99th percentile.
    """
    found = []
    for column in look.wanted:
        if column.family in TIMES:
            suspect = _gap(look, column)
            if suspect is not None:
                found.append(suspect)
    return found


def _gap(look: Look, column: Column) -> Suspect | None:
    name = ident(column.name)
    inside = f"(SELECT {name} AS t FROM {look.relation} WHERE isfinite({name}))"
    finite = f"(SELECT {name} AS t FROM {look.sample} WHERE isfinite({name}))"
    quantiles = look.engine.query(f"SELECT quantile_cont(epoch(t), [0.001, 0.999]), count(*) FROM {finite}")[
        0
    ]
    if quantiles[1] < _LEAST:
        return None
    span = quantiles[0][1] - quantiles[0][0]
    units = [u for u in _UNITS if span / u[1] <= _BUCKETS and not (column.family == "date" and u[1] < 86_400)]
    if not units:
        return None
    unit = units[0][0]
    # a stray year 1900 or 2999 is an outlier, and makes no gap
    fence = bounds_of(look, [column]).get(column.name)
    kept = f"WHERE epoch(t) BETWEEN {fence[0]!r} AND {fence[1]!r}" if fence else ""
    rows = look.engine.query(
        f"""WITH b AS (
            SELECT date_trunc('{unit}', t) AS b, min(t) AS lo, max(t) AS hi FROM {inside} {kept} GROUP BY 1
        )
        SELECT date_diff('{unit}', b, lead(b) OVER w), hi, lead(lo) OVER w
        FROM b WINDOW w AS (ORDER BY b) ORDER BY b"""
    )
    distances = [(d, hi, lo) for d, hi, lo in rows if d is not None]
    if len(distances) < 20:
        return None
    bound = _longest([d for d, _, _ in distances])
    wide = sorted((x for x in distances if x[0] > bound), key=lambda x: -x[0])
    if not wide or len(wide) > _TOO_MANY * len(distances):
        return None
    ends = ", ".join(f"{_time(hi)}, {_time(lo)}" for _, hi, lo in wide[:5])
    longest = ", ".join(f"{hi} to {lo} ({d - 1:,} {unit}s without a row)" for d, hi, lo in wide[:3])
    gap = "1 gap" if len(wide) == 1 else f"{len(wide)} gaps"
    plain = f"{gap} in time, the longest of {wide[0][0] - 1:,} {unit}s"
    return Suspect(
        "gap",
        column.name,
        "distances",
        len(wide),
        f"{name} IN ({ends})",
        f"{plain}: {longest}",
        plain,
        name,
        True,
    )


def _time(value: Any) -> str:
    assert isinstance(value, date)
    kind = "TIMESTAMP" if isinstance(value, datetime) else "DATE"
    if isinstance(value, datetime) and value.tzinfo is not None:
        kind = "TIMESTAMPTZ"
    return f"{kind} {literal(str(value))}"


def _longest(distances: Sequence[int]) -> float:
    """The distance beyond which it is a gap.

    >>> _longest([1] * 100), _longest([1, 1, 1, 1, 3] * 40) < 10
    (1.5, True)
    """
    ordered = sorted(distances)
    n = len(ordered)
    median, q95, q99 = (ordered[min(n - 1, int(p * n))] for p in (0.5, 0.95, 0.99))
    if q95 > 3 * median:
        return max(median * math.log2(n / _ALARM), 3.0 * q99)
    trimmed = ordered[: n - max(1, n // 50)]  # the gaps themselves say nothing about what is usual
    empty = sum(d > median for d in trimmed) / len(trimmed)
    by_chance = median * (1 + math.log(_ALARM / n) / math.log(empty)) if empty else 0.0
    return max(1.5 * q95, by_chance)
