"""The one scan of a profile: every count over all rows, in a query for each 25 columns.

Distinct values are counted exactly where the sample says that they are few; else by distinct sampling:
only values whose hash ends in k zero bits are kept, and what is kept is multiplied by 2^k (Gibbons,
"Distinct Sampling for Highly-Accurate Answers to Distinct Values Queries", VLDB 2001). With 2^17 values
kept the standard error is 0.3 %; DuckDB's HyperLogLog has 64 registers, a standard error of 13 %.

The moments are sums of powers of ``(x - centre) / scale``, centre and scale from the sample, so that they
do not cancel where values are large and close together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sluiceway.duck import ident, literal
from sluiceway.quality.profile_sample import ColumnSample, Near, Sample, double, kind_of, number_of

if TYPE_CHECKING:
    from sluiceway.schema import Column

__all__ = ["Counted", "Fence", "Table", "bits_of", "distinct_of", "distinct_sql", "edges", "fences", "scan"]

BINS = 20
_WIDTH = 25
"""Columns of one query: to plan it takes more than twice as long for twice as many."""
_EXACT = 1 << 17
_EXACT_ROWS = 1_000_000
_SPACES = " \t\n\r\v\f\u00a0"
_COUNTS = ("zeros", "negatives", "nan", "infinite", "whitespace", "blanks", "iqr", "robust_z")
"""What count_if finds; of no rows that is NULL."""
_LEFT = 0.6744897501960817
"""The 75th percentile of the normal distribution: what the MAD of one is of its standard deviation."""


@dataclass(frozen=True)
class Fence:
    """What lies outside ``low..high`` is an outlier by ``method``."""

    method: str
    low: float
    high: float


@dataclass(frozen=True)
class Counted:
    """What the scan found of one column: its numbers by name, and the plan they were asked by."""

    column: Column
    sample: ColumnSample
    values: dict[str, Any]
    centre: float = 0.0
    scale: float = 1.0
    edges: tuple[float, ...] = ()
    fences: tuple[Fence, ...] = ()
    bits: int = 0


@dataclass(frozen=True)
class Table:
    rows: int
    duplicates: int
    duplicates_exact: bool
    columns: tuple[Counted, ...]


@dataclass
class _Plan:
    """The expressions of one column, by name."""

    column: Column
    sample: ColumnSample
    bits: int
    centre: float = 0.0
    scale: float = 1.0
    edges: tuple[float, ...] = ()
    fences: tuple[Fence, ...] = ()
    asked: dict[str, str] = field(default_factory=dict)


def scan(data: Near, sample: Sample) -> Table:
    """Count everything that is counted over all rows."""
    plans = [_plan(c, s, data.rows) for c, s in zip(data.schema, sample.columns, strict=True)]
    bits = bits_of(data.rows)
    row = "hash(" + ", ".join(ident(c.name) for c in data.schema) + ")"
    head = ["count(*)", *distinct_sql(row, bits, "TRUE")] if plans else ["count(*)", "0", "0"]
    counted: list[Counted] = []
    table: tuple[Any, ...] = ()
    for at in range(0, max(len(plans), 1), _WIDTH):
        part = plans[at : at + _WIDTH]
        first = head if at == 0 else []
        listed = ", ".join([*first, *(sql for plan in part for sql in plan.asked.values())])
        found = data.engine.query(f"SELECT {listed} FROM ({data.sql}) AS _all")[0]
        if at == 0:
            table, found = found[: len(head)], found[len(head) :]
        for plan in part:
            values = dict(zip(plan.asked, found[: len(plan.asked)], strict=True))
            values |= {key: values[key] or 0 for key in _COUNTS if key in values}
            found = found[len(plan.asked) :]
            counted.append(
                Counted(plan.column, plan.sample, values, plan.centre, plan.scale, plan.edges, plan.fences,
                        plan.bits)
            )  # fmt: skip
    rows, kept, different = table
    return Table(rows, (kept - different) << bits, bits == 0, tuple(counted))


def _bits(guess: float, bound: int) -> int:
    """How many bits of a hash must be zero, so that about ``bound`` of ``guess`` values are kept at most.

    >>> _bits(1000, 1000), _bits(1001, 1000), _bits(10_000_000, 1 << 17)
    (0, 1, 7)
    """
    return max(0, math.ceil(math.log2(guess / bound))) if guess > bound else 0


def bits_of(rows: int) -> int:
    """For what may be different in every row: all of a million rows are kept, else 2^17."""
    return 0 if rows <= _EXACT_ROWS else _bits(rows, _EXACT)


def distinct_sql(hashed: str, bits: int, there: str) -> tuple[str, str]:
    """Two aggregates: the rows kept, and the different values among them.

    Args:
        hashed: a hash of what is counted; those that end in ``bits`` zero bits are kept.
        there: a condition that rows must fulfil.
    """
    kept = there if bits == 0 else f"{there} AND {hashed} & {(1 << bits) - 1} = 0"
    return (
        f"count(*) FILTER (WHERE {kept})",
        f"count(DISTINCT {hashed}) FILTER (WHERE {kept})",
    )


def distinct_of(counted: Counted) -> tuple[int, bool]:
    """Distinct values and whether that is exact. Where no kept value repeats, none does.

    Raises nothing: a column without values has none.
    """
    there, kept, different = (counted.values[key] for key in ("count", "kept", "different"))
    if counted.bits == 0:
        return different, True
    return (there if kept == different else min(there, different << counted.bits)), False


def _plan(column: Column, sample: ColumnSample, rows: int) -> _Plan:
    name, kind = ident(column.name), kind_of(column)
    guess = min(float(rows), 2 * sample.guess)
    plan = _Plan(column, sample, _bits(guess, _EXACT))
    asked = plan.asked
    asked["count"] = f"count({name})"
    there, hashed = f"{name} IS NOT NULL", f"hash({name})"
    asked["kept"], asked["different"] = distinct_sql(hashed, plan.bits, there)
    if sample.top:
        values = ", ".join(str(h) for _, _, h in sample.top)
        asked["top"] = f"histogram_exact(CASE WHEN {there} THEN {hashed} END, CAST([{values}] AS UBIGINT[]))"
    _extremes(plan, name, kind)
    if kind == "number":
        _number(plan, name)
    if kind in ("number", "time"):
        _binned(plan, kind)
    if kind == "text":
        _text(asked, f"CAST({name} AS VARCHAR)" if column.type.upper() != "VARCHAR" else name)
    if kind == "binary":
        size = "octet_length" if column.family == "blob" and column.type.upper() != "BIT" else "bit_length"
        _lengths(asked, f"{size}({name})")
    return plan


def _extremes(plan: _Plan, name: str, kind: str) -> None:
    family = plan.column.family
    if family in ("nested", "json", "blob", "unknown"):
        return
    value = name
    if family == "float":
        value = f"CASE WHEN isfinite({name}) THEN {name} END"
    low, high = f"min({value})", f"max({value})"
    if kind not in ("number", "boolean"):
        low, high = (f"left(CAST({text} AS VARCHAR), 200)" for text in (low, high))
    plan.asked |= {"min": low, "max": high}


def _number(plan: _Plan, name: str) -> None:
    number, sample = number_of(plan.column), plan.sample
    assert number is not None
    plan.asked |= {"zeros": f"count_if({name} = 0)", "negatives": f"count_if({name} < 0)"}
    if plan.column.family == "float":
        plan.asked |= {"nan": f"count_if(isnan({name}))", "infinite": f"count_if(isinf({name}))"}
    if sample.quantiles:
        plan.centre = sample.quantiles[3]
        plan.scale = _scale(sample)
    z = f"(({number} - {double(plan.centre)}) / {double(plan.scale)})"
    plan.asked |= {"n": f"count({number})"}
    plan.asked |= {f"z{p}": f"sum({' * '.join([z] * p)})" for p in (1, 2, 3)}
    plan.fences = fences(sample)
    for fence in plan.fences:
        outside = f"{number} < {double(fence.low)} OR {number} > {double(fence.high)}"
        plan.asked[fence.method] = f"count_if({outside})"


def _scale(sample: ColumnSample) -> float:
    """The spread between the quartiles; but no power of what is far from them may leave a double's range.

    >>> _scale(ColumnSample(low=0, high=100, quantiles=(0, 0, 25, 50, 75, 99, 100)))
    50.0
    """
    assert sample.low is not None
    assert sample.high is not None
    spread, reach = sample.quantiles[4] - sample.quantiles[2], sample.high - sample.low
    found = max(spread, reach * 1e-6, abs(sample.quantiles[3]) * 1e-16)
    if not math.isfinite(found):
        found = max(abs(sample.low), abs(sample.high))
    return float(found) if found > 1e-300 else 1.0


def _binned(plan: _Plan, kind: str) -> None:
    """A bin holds its lower edge. DuckDB's histogram has bins that hold the upper one, so the values are
    turned round; the last bin, which holds both, is the first there."""
    number, low, high = number_of(plan.column), plan.sample.low, plan.sample.high
    if number is None or low is None or high is None:
        return
    if kind == "time":
        plan.asked |= {"low": f"min({number})", "high": f"max({number})", "n": f"count({number})"}
    plan.edges = edges(low, high, whole=plan.column.family == "integer")
    # as text: a number with a point would be a DECIMAL first, and lose its last bit
    turned = ", ".join(literal(repr(-edge)) for edge in reversed(plan.edges[:-1]))
    plan.asked["bins"] = f"histogram(-{number}, CAST([{turned}] AS DOUBLE[]))"


def edges(low: float, high: float, *, whole: bool) -> tuple[float, ...]:
    """The edges of at most twenty bins of one width; whole numbers get bins of whole width.

    >>> edges(0, 3, whole=True), len(edges(0, 3, whole=False)), edges(5, 5, whole=False)
    ((0.0, 1.0, 2.0, 3.0), 21, (5.0, 5.0))
    """
    if not low < high:
        return (float(low), float(high))
    if whole:
        step = max(1, math.ceil((high - low) / BINS))
        inner = [low + step * i for i in range(BINS) if low + step * i < high]
        return tuple(float(e) for e in (*inner, high))
    # halves first: high - low may be more than a double holds
    made = (low * (1 - i / BINS) + high * (i / BINS) for i in range(1, BINS))
    inner = [edge for edge in made if low < edge < high]
    return tuple(sorted({float(low), *inner, float(high)}))


def fences(sample: ColumnSample) -> tuple[Fence, ...]:
    """Tukey's fences (1977): 1.5 interquartile ranges beyond the quartiles; and |0.6745 (x - median) / MAD|
    above 3.5 (Iglewicz and Hoaglin, 1993). Without spread there is no fence: any other value would be out.
    """
    if not sample.quantiles:
        return ()
    lower, median, upper = sample.quantiles[2:5]
    spread, found = upper - lower, []
    if spread > 0 and math.isfinite(spread):
        found.append(Fence("iqr", lower - 1.5 * spread, upper + 1.5 * spread))
    if sample.mad and math.isfinite(sample.mad):
        reach = 3.5 * sample.mad / _LEFT
        found.append(Fence("robust_z", median - reach, median + reach))
    return tuple(found)


def _lengths(asked: dict[str, str], length: str) -> None:
    asked |= {"shortest": f"min({length})", "longest": f"max({length})", "length": f"avg({length})"}


def _text(asked: dict[str, str], text: str) -> None:
    """``trim`` is asked only of texts whose ends look like it: asked of all, it costs more than the rest."""
    _lengths(asked, f"length({text})")
    begins = f"({text} < '!' OR starts_with({text}, {literal(_SPACES[-1])}))"
    ends = " OR ".join(f"ends_with({text}, {literal(c)})" for c in _SPACES)
    trimmed = f"trim({text}, {literal(_SPACES)})"
    asked["whitespace"] = f"count_if(CASE WHEN {begins} OR {ends} THEN {text} <> {trimmed} ELSE FALSE END)"
    asked["blanks"] = f"count_if(CASE WHEN {begins} THEN {trimmed} = '' ELSE FALSE END)"
