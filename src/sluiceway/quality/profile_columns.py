"""From what was counted to what a profile says of a column."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sluiceway.quality.model import Bin, ColumnProfile, Length, Outliers, Shape, Top
from sluiceway.quality.profile_sample import QUANTILES, Sample, kind_of
from sluiceway.quality.profile_scan import Counted, distinct_of

if TYPE_CHECKING:
    from sluiceway.schema import Column

__all__ = ["HIDDEN", "column_profile", "covered", "is_covered", "shown"]

HIDDEN = "***"
"""What stands for a value that is not shown, as in samples of failing rows."""
_COVERED = "values are hidden"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PRECISE = 15
"""Decimal digits that every double keeps."""


def column_profile(
    counted: Counted, rows: int, sample: Sample, *, shapes: Sequence[Shape] = ()
) -> ColumnProfile:
    """One column's part of the profile."""
    column, values = counted.column, counted.values
    distinct, exact = distinct_of(counted)
    mean, stddev, skewness = moments(counted)
    length = None
    if values.get("shortest") is not None:
        length = Length(values["shortest"], values["longest"], values["length"])
    return ColumnProfile(
        name=column.name,
        type=column.type,
        count=rows,
        nulls=rows - values["count"],
        distinct=distinct,
        distinct_exact=exact,
        minimum=shown(column, values.get("min")),
        maximum=shown(column, values.get("max")),
        mean=mean,
        stddev=stddev,
        skewness=skewness,
        nan=values.get("nan"),
        infinite=values.get("infinite"),
        quantiles=_quantiles(counted),
        histogram=_bins(counted),
        top=_top(counted, sample),
        length=length,
        shapes=tuple(shapes),
        zeros=values.get("zeros"),
        negatives=values.get("negatives"),
        blanks=values.get("blanks"),
        whitespace=values.get("whitespace"),
        outliers=_outliers(counted),
        notes=_notes(counted, sample, exact),
    )


def shown(column: Column, value: Any) -> Any:
    """A value as the profile gives it: numbers and booleans as such, wide decimals and the rest as text.

    >>> from sluiceway.schema import Column
    >>> [shown(Column("a", f"DECIMAL({width},2)"), Decimal("1.50")) for width in (9, 38)]
    [1.5, '1.50']
    """
    if isinstance(value, Decimal):
        inside = column.type.partition("(")[2].partition(",")[0]
        return float(value) if inside.isdigit() and int(inside) <= _PRECISE else str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no NaN
    return value if value is None or isinstance(value, int | float) else str(value)


def moments(counted: Counted) -> tuple[float | None, float | None, float | None]:
    """Mean, sample standard deviation (n - 1), and skewness g1 adjusted for n as pandas, SAS and Excel do
    (Joanes and Gill 1998, G1); None where there are too few values or the sums left what a double holds."""
    values, n = counted.values, counted.values.get("n") or 0
    sums = [values.get(f"z{p}") for p in (1, 2, 3)]
    if n == 0 or any(s is None for s in sums):
        return None, None, None
    first, second, third = (float(s) / n for s in sums if s is not None)
    mean = counted.centre + counted.scale * first
    variance = max(second - first * first, 0.0)
    if not math.isfinite(mean):
        return None, None, None
    if n < 2 or not math.isfinite(variance):
        return mean, None, None
    stddev = counted.scale * math.sqrt(variance * n / (n - 1))
    # what is left of the subtraction is noise where it is below a double's precision
    if n < 3 or variance <= 1e-14 * max(second, 1.0) or not math.isfinite(third):
        return mean, stddev, None
    g1 = (third - 3 * first * second + 2 * first**3) / variance**1.5
    return mean, stddev, g1 * math.sqrt(n * (n - 1)) / (n - 2)


def _quantiles(counted: Counted) -> dict[str, Any]:
    found = counted.sample.quantiles
    return {name: _point(counted.column, value) for name, value in zip(QUANTILES, found, strict=False)}


def _point(column: Column, value: float) -> Any:
    """A number, or for dates and times the text of its microseconds."""
    if kind_of(column) != "time":
        return value
    try:
        moment = _EPOCH + timedelta(microseconds=round(value))
    except OverflowError:
        return None  # DuckDB's years reach further than Python's
    if column.family == "date":
        return str(moment.date())
    if column.family == "time":
        return str(moment.time())
    text = str(moment.replace(tzinfo=None))
    return f"{text}+00" if column.family == "timestamptz" else text


def _bins(counted: Counted) -> tuple[Bin, ...]:
    found, edges = counted.values.get("bins"), counted.edges
    if not found or not counted.values.get("n"):
        return ()
    names = ("low", "high") if kind_of(counted.column) == "time" else ("min", "max")
    low, high = (float(counted.values[name]) for name in names)
    below = found.get(math.inf, 0)
    numbers = [found[edge] for edge in sorted(found, reverse=True) if edge != math.inf]
    numbers[0] += below
    # the sample may not have seen the extremes: the outer bins reach to them
    ends = [min(edges[0], low), *edges[1:-1], max(edges[-1], high)]
    points = [_point(counted.column, end) for end in ends]
    return tuple(Bin(points[i], points[i + 1], number) for i, number in enumerate(numbers))


def _top(counted: Counted, sample: Sample) -> tuple[Top, ...]:
    """The sample's most frequent values, with how often they are in all rows."""
    there = counted.values["count"]
    found = counted.values.get("top") or {}
    tops = []
    for value, seen, hashed in counted.sample.top:
        # a text that was cut for the sample has another hash than the whole one
        number = seen if sample.whole else found.get(hashed, 0)
        if number:
            tops.append(Top(shown(counted.column, value), number, number / there))
    return tuple(sorted(tops, key=lambda t: (-t.count, str(t.value))))


def _outliers(counted: Counted) -> tuple[Outliers, ...]:
    return tuple(
        Outliers(f.method, f.low, f.high, counted.values[f.method])
        for f in counted.fences
        if counted.values.get(f.method) is not None
    )


def _notes(counted: Counted, sample: Sample, exact: bool) -> tuple[str, ...]:
    notes = []
    if not exact:
        notes.append(f"distinct values are estimated from the hashes that end in {counted.bits} zero bits")
    if counted.sample.quantiles and not sample.whole:
        notes.append("quantiles and the bounds of outliers come from the sample; counts are of all rows")
    if counted.sample.top and not sample.whole:
        notes.append("top values were looked for in the sample and counted in all rows")
    family = counted.column.family
    if family in ("nested", "json", "blob", "unknown"):
        notes.append(f"no order among values of {counted.column.type.split('(')[0]}: no extremes")
    return tuple(notes)


def covered(told: ColumnProfile) -> ColumnProfile:
    """The same without any of the column's values: counts, shares and shapes stay."""
    return replace(
        told,
        minimum=None if told.minimum is None else HIDDEN,
        maximum=None if told.maximum is None else HIDDEN,
        mean=None,
        quantiles=dict.fromkeys(told.quantiles, HIDDEN),
        histogram=tuple(Bin(HIDDEN, HIDDEN, b.count) for b in told.histogram),
        top=tuple(Top(HIDDEN, t.count, t.share) for t in told.top),
        outliers=(),
        notes=(*told.notes, _COVERED),
    )


def is_covered(told: ColumnProfile) -> bool:
    """Whether ``covered`` made it."""
    return _COVERED in told.notes
