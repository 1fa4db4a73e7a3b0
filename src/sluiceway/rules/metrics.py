"""What is measured of a column or a table, one expression a metric: for the history and for ``anomaly``.

All are aggregates, so that they share the gate's scan. Floats are measured without NaN, infinities and
what is too large to be squared: one such value would be all that a mean or a deviation says.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from sqlglot import exp

from sluiceway.rules.base import column
from sluiceway.schema import Column
from sluiceway.sql.primitives import call

__all__ = [
    "NUMERIC",
    "QUANTILES",
    "count_rows",
    "decoded",
    "expressions",
    "finite",
    "instant",
    "number",
    "quantiles",
]

NUMERIC = frozenset({"integer", "decimal", "float"})
QUANTILES = {"p05": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95}
"""Approximate (t-digest), and measured by DuckDB alone."""
_ORDERED = NUMERIC | {"text", "date", "timestamp", "timestamptz", "boolean", "uuid", "time"}
_COUNTED = _ORDERED | {"blob"}
_LONGEST = 256
_SQUARABLE = "1e150"


def count_rows() -> exp.Expr:
    return exp.Count(this=exp.Star())


def expressions(given: Column) -> dict[str, exp.Expr]:
    """Metric -> aggregate, for every metric that the column's type has.

    >>> found = expressions(Column("amount", "BIGINT"))
    >>> sorted(found)
    ['distinct_count', 'max', 'mean', 'min', 'null_count', 'stddev', 'sum']
    >>> found["null_count"].sql("duckdb"), found["distinct_count"].sql("duckdb")
    ('COUNT(*) - COUNT("amount")', 'APPROX_COUNT_DISTINCT("amount")')
    """
    value = column(given.name)
    found: dict[str, exp.Expr] = {
        "null_count": exp.Sub(this=count_rows(), expression=exp.Count(this=value.copy()))
    }
    if given.family in _COUNTED:
        found["distinct_count"] = _named("approx_count_distinct", value.copy())
    if given.family in _ORDERED:
        found["min"], found["max"] = (_extreme(kind, given) for kind in (exp.Min, exp.Max))
    if given.family in NUMERIC:
        found["mean"] = exp.Avg(this=_measurable(given))
        found["stddev"] = _named("stddev_samp", _measurable(given))
        found["sum"] = exp.Sum(this=_measurable(given))
    return found


def quantiles(given: Column, *shares: float) -> exp.Expr:
    """DuckDB's ``approx_quantile``: a list of as many numbers, or NULL.

    >>> quantiles(Column("n", "INTEGER"), 0.5).sql("duckdb")
    'APPROX_QUANTILE(CAST("n" AS DOUBLE), [0.5])'
    """
    value = exp.cast(_measurable(given), "DOUBLE", dialect="duckdb")
    wanted = exp.Array(expressions=[exp.Literal.number(share) for share in shares])
    return _named("approx_quantile", value, wanted)


def _named(name: str, *arguments: exp.Expr) -> exp.Expr:
    """An aggregate as DuckDB writes it: what other dialects are asked for, and the gate restricts."""
    return exp.AnonymousAggFunc(this=name.upper(), expressions=list(arguments))


def _measurable(given: Column) -> exp.Expr:
    value = column(given.name)
    if given.family != "float":
        return value
    limit = exp.Literal.number(_SQUARABLE)
    low = exp.GT(this=value.copy(), expression=exp.Neg(this=limit.copy()))
    fits = exp.and_(call("is_finite", value.copy()), low, exp.LT(this=value.copy(), expression=limit))
    return exp.Case().when(fits, value)


def _extreme(aggregate: type[exp.AggFunc], given: Column) -> exp.Expr:
    """A number as it is, for sums to be made of; anything else as text, a long one cut."""
    if given.family in NUMERIC:
        return aggregate(this=_measurable(given))
    value: exp.Expr = column(given.name)
    if given.family == "boolean":
        value = exp.cast(value, "TINYINT", dialect="duckdb")
    text = exp.cast(aggregate(this=value), "VARCHAR", dialect="duckdb")
    return exp.Left(this=text, expression=exp.Literal.number(_LONGEST))


def number(value: Any) -> float | None:
    """What an engine gave as a float; None for NULL and for what is no number.

    >>> from decimal import Decimal
    >>> number(Decimal("1.5")), number(None), number(True), number("x")
    (1.5, None, 1.0, None)
    """
    try:
        return None if value is None else float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def finite(value: Any) -> float | None:
    """``number``, but None for NaN and infinities too."""
    found = number(value)
    return found if found is not None and math.isfinite(found) else None


def instant(value: Any, timezone: str = "UTC") -> datetime | None:
    """A point in time, in UTC, out of what an engine gives: text, a date, a naive time in ``timezone``.

    >>> instant("2026-11-23 06:00:00", "Europe/Amsterdam").isoformat()
    '2026-11-23T05:00:00+00:00'

    Raises:
        ValueError: a text that is no time.
    """
    if value is None:
        return None
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    elif not isinstance(value, datetime) and isinstance(value, date):
        value = datetime.combine(value, time())
    if value.tzinfo is None:
        value = value.replace(tzinfo=ZoneInfo(timezone))
    moment: datetime = value.astimezone(UTC)
    return moment


def decoded(row: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The list that ``quantiles`` gave, by name; nothing where there was no value."""
    values = row.get(name)
    return {} if values is None else dict(zip(QUANTILES, values, strict=True))
