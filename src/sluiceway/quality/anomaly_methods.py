"""How anomalies are found. Each method gives suspects: a condition over all rows, and how many it finds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any, Literal

from sluiceway.duck import ident, literal
from sluiceway.quality.detection import probe_of, text_of

if TYPE_CHECKING:
    from sluiceway.quality.anomalies import Look
    from sluiceway.schema import Column

__all__ = ["TIMES", "Suspect", "bounds_of", "fences", "formats", "rare"]

_FAR = 3.0
"""Tukey's fence for values that are far out (Exploratory Data Analysis, 1977): 3 interquartile ranges."""
_ROBUST = 3.5
"""Iglewicz and Hoaglin's bound for 0.6745 (x - median) / MAD (How to Detect and Handle Outliers, 1993)."""
_TOO_MANY = 0.05
"""More than this share is not an anomaly but part of what the column is."""
_LEAST = 30
_CATEGORIES = 50
_RARE = 0.005
_DOMINANT = 0.95
_COUNTED = 16


@dataclass(frozen=True)
class Suspect:
    """``message`` may hold values of the column, ``plain`` never does. ``order``: the strangest
    first; ``once``: one row for each value of the column."""

    kind: Literal["outlier", "rare_category", "format", "gap"]
    column: str
    method: str
    count: int
    condition: str
    message: str
    plain: str
    order: str = ""
    once: bool = False


def _values(n: int, one: str, many: str) -> str:
    return f"1 value {one}" if n == 1 else f"{n:,} values {many}"


# numbers and times ---------------------------------------------------------------------------------------

TIMES = ("date", "timestamp", "timestamptz")


def _number(column: Column) -> str:
    """SQL of a column as a finite DOUBLE; times as seconds since 1970."""
    name = ident(column.name)
    if column.family in TIMES:
        return f"CASE WHEN isfinite({name}) THEN epoch({name}) END"
    if column.family == "float":
        return f"CASE WHEN isfinite({name}) THEN CAST({name} AS DOUBLE) END"
    return f"CAST({name} AS DOUBLE)"


def fences(look: Look) -> list[Suspect]:
    """Outside both Tukey's fence and the bound of the robust z; on a log scale too where the values are
    positive and skewed, so that long tails are not taken for mistakes."""
    columns = [c for c in look.wanted if c.family in ("integer", "decimal", "float", *TIMES)]
    bounds = bounds_of(look, columns)
    judged = [c for c in columns if c.name in bounds]
    counts = _outside(look, judged, bounds)
    found = []
    for column in judged:
        low, high, middle = bounds[column.name]
        x = _number(column)
        condition = f"({x}) NOT BETWEEN {low!r} AND {high!r}"
        n = counts[column.name]
        if 0 < n <= max(1, _TOO_MANY * look.rows):
            low_, high_ = _shown(column, low), _shown(column, high)
            found.append(
                Suspect(
                    "outlier", column.name, "iqr and robust_z", n, condition,
                    f"{_values(n, 'lies', 'lie')} outside {low_} to {high_}",
                    f"{_values(n, 'lies', 'lie')} far from the others",
                    f"abs(({x}) - {middle!r}) DESC",
                )
            )  # fmt: skip
    return found + _not_finite(look, columns)


def bounds_of(look: Look, columns: Sequence[Column]) -> dict[str, tuple[float, float, float]]:
    """Column -> (lower, upper, median)."""
    if not columns:
        return {}
    first = _quantiles(look, columns, {})
    # where more than half of the values are one value, the rest is judged by itself
    flat = {c.name: q[1] for c, q in zip(columns, first, strict=True) if q is not None and q[0] == q[2]}
    again = [c for c in columns if c.name in flat]
    second = dict(zip([c.name for c in again], _quantiles(look, again, flat), strict=True)) if again else {}
    quartiles = {c.name: q for c, q in zip(columns, first, strict=True)} | second
    kept = {n: q for n, q in quartiles.items() if q is not None and q[0] != q[2]}
    middles = [(c, kept[c.name]) for c in columns if c.name in kept]
    return _with_deviation(look, middles, flat)


def _quantiles(
    look: Look, columns: Sequence[Column], without: dict[str, float]
) -> list[tuple[float, float, float, float] | None]:
    """Quartiles and the least value, of at least 30 values."""
    parts = []
    for c in columns:
        x = _number(c)
        kept = f" FILTER (({x}) <> {without[c.name]!r})" if c.name in without else ""
        parts.append(f"quantile_cont({x}, [0.25, 0.5, 0.75]){kept}, min({x}){kept}, count({x}){kept}")
    row = look.engine.query(f"SELECT {', '.join(parts)} FROM {look.sample}")[0]
    out: list[tuple[float, float, float, float] | None] = []
    for i in range(len(columns)):
        q, least, n = row[3 * i : 3 * i + 3]
        out.append(None if q is None or n < _LEAST else (q[0], q[1], q[2], least))
    return out


def _with_deviation(
    look: Look, middles: Sequence[tuple[Column, tuple[float, float, float, float]]], without: dict[str, float]
) -> dict[str, tuple[float, float, float]]:
    if not middles:
        return {}
    parts = []
    for c, q in middles:
        x = _number(c)
        kept = f" FILTER (({x}) <> {without[c.name]!r})" if c.name in without else ""
        logged = f"abs(ln(greatest({x}, 1e-300)) - {math.log(max(q[1], 1e-300))!r})"
        parts.append(f"median(abs(({x}) - {q[1]!r})){kept}, median({logged}){kept}")
    row = look.engine.query(f"SELECT {', '.join(parts)} FROM {look.sample}")[0]
    out = {}
    for i, (c, q) in enumerate(middles):
        low, high = _fence(q[0], q[1], q[2], row[2 * i])
        if c.family not in TIMES and q[3] > 0 and _skew(*q[:3]) > 0.15:
            _, top = _fence(math.log(q[0]), math.log(q[1]), math.log(q[2]), row[2 * i + 1])
            high = max(high, math.exp(min(top, 700)))
        if c.name in without:
            low, high = min(low, without[c.name]), max(high, without[c.name])
        out[c.name] = (float(low), float(high), float(q[1]))
    return out


def _fence(q1: float, q2: float, q3: float, deviation: float) -> tuple[float, float]:
    """The wider of the two on each side."""
    spread, z = _FAR * (q3 - q1), _ROBUST * deviation / 0.6745
    return min(q1 - spread, q2 - z), max(q3 + spread, q2 + z)


def _skew(q1: float, q2: float, q3: float) -> float:
    """Bowley's skewness of quartiles, -1..1."""
    return (q1 + q3 - 2 * q2) / (q3 - q1)


def _outside(
    look: Look, columns: Sequence[Column], bounds: dict[str, tuple[float, float, float]]
) -> dict[str, int]:
    if not columns:
        return {}
    parts = [
        f"count(*) FILTER (({_number(c)}) NOT BETWEEN {bounds[c.name][0]!r} AND {bounds[c.name][1]!r})"
        for c in columns
    ]
    row = look.engine.query(f"SELECT {', '.join(parts)} FROM {look.relation}")[0]
    return {c.name: n for c, n in zip(columns, row, strict=True)}


def _not_finite(look: Look, columns: Sequence[Column]) -> list[Suspect]:
    floats = [c for c in columns if c.family in ("float", *TIMES)]
    if not floats:
        return []
    parts = [f"count(*) FILTER (NOT isfinite({ident(c.name)}))" for c in floats]
    row = look.engine.query(f"SELECT {', '.join(parts)} FROM {look.relation}")[0]
    found = []
    for c, n in zip(floats, row, strict=True):
        if n:
            text = f"{_values(n, 'is', 'are')} NaN or infinite"
            condition = f"NOT isfinite({ident(c.name)})"
            found.append(Suspect("outlier", c.name, "not finite", n, condition, text, text))
    return found


def _shown(column: Column, value: float) -> str:
    if column.family in TIMES:
        try:
            return f"{datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=value):%Y-%m-%d}"
        except OverflowError:
            return "the end of time"
    return f"{value:,.6g}"


# categories ----------------------------------------------------------------------------------------------


def rare(look: Look) -> list[Suspect]:
    """Values of a column of few values that are a twentieth of an even share, and under 0.5 % of the rows.
    A value that is nearly one of the others is named with it."""
    columns = [c for c in look.wanted if c.family in ("text", "boolean", "integer")]
    if not columns or look.rows < 100:
        return []
    few = _few(look, columns)
    found = []
    for column, values in few:
        total = sum(n for _, n in values)
        bound = min(_RARE * total, total / len(values) / 20)
        odd = [(v, n) for v, n in values if n <= bound]
        usual = [str(v) for v, n in values if n > bound]
        n = sum(n for _, n in odd)
        if not odd or not usual or n > 2 * _RARE * total:
            continue
        cast = f"CAST({ident(column.name)} AS VARCHAR)"
        condition = f"{cast} IN ({', '.join(literal(str(v)) for v, _ in odd)})"
        shown = ", ".join(_category(str(v), n, usual) for v, n in odd[:5])
        plain = f"{_values(len(odd), 'is', 'are')} rare: {n:,} of {total:,} rows"
        found.append(
            Suspect("rare_category", column.name, "share", n, condition, f"{plain}: {shown}", plain, cast)
        )
    return found


def _few(look: Look, columns: Sequence[Column]) -> list[tuple[Column, list[tuple[Any, int]]]]:
    """The columns of at most 50 values, each value with its rows, in one scan."""
    guesses = ", ".join(f"approx_count_distinct({ident(c.name)})" for c in columns)
    row = look.engine.query(f"SELECT {guesses} FROM {look.sample}")[0]
    few = [c for c, n in zip(columns, row, strict=True) if 2 <= n <= _CATEGORIES][:100]
    few = [c for c in few if not (c.family == "integer" and row[columns.index(c)] > 20)]
    if not few:
        return []
    names = [ident(c.name) for c in few]
    texts = ", ".join(f"left(CAST({n} AS VARCHAR), 300)" for n in names)
    ones = ", ".join(f"GROUPING({n})" for n in names)
    sets = ", ".join(f"({n})" for n in names)
    sql = f"SELECT {texts}, {ones}, count(*) FROM {look.relation} GROUP BY GROUPING SETS ({sets})"
    counted: list[list[tuple[Any, int]]] = [[] for _ in few]
    for values in look.engine.query(sql):
        i = next(i for i in range(len(few)) if values[len(few) + i] == 0)
        if values[i] is not None:
            counted[i].append((values[i], values[-1]))
    return [
        (c, sorted(values, key=lambda pair: (-pair[1], pair[0])))
        for c, values in zip(few, counted, strict=True)
        if 2 <= len(values) <= 4 * _CATEGORIES
    ]


def _category(value: str, n: int, usual: Sequence[str]) -> str:
    near = [u for u in usual if _near(value, u)]
    return f"'{value}' ({n:,}{f', perhaps {near[0]!r}' if near else ''})"


def _near(left: str, right: str) -> bool:
    """The same but for case and blanks, or one letter or two of a long word."""
    a, b = " ".join(left.casefold().split()), " ".join(right.casefold().split())
    return a == b or (min(len(a), len(b)) >= 4 and SequenceMatcher(None, a, b).ratio() >= 0.85)


# formats -------------------------------------------------------------------------------------------------


def formats(look: Look) -> list[Suspect]:
    """Values that are not of the column's detected type or meaning, where nearly all are; else, that have
    not the one shape that nearly all have."""
    texts = [c for c in look.wanted if c.family == "text"]
    tests: dict[str, tuple[str, str]] = {}
    for column in texts:
        test = probe_of(look.found[column.name])
        if test is not None:
            tests[column.name] = test
    plain = [c for c in texts if c.name not in tests]
    tests |= _shapes(look, plain)
    judged = [c for c in texts if c.name in tests]
    if not judged:
        return []
    conditions = {c.name: f"NOT coalesce({_applied(tests[c.name][0], text_of(c))}, true)" for c in judged}
    row: list[int] = []
    for start in range(0, len(judged), _COUNTED):
        row += _failing(look, judged[start : start + _COUNTED], tests)
    found = []
    for column, n in zip(judged, row, strict=True):
        if 0 < n <= max(1, 2 * _TOO_MANY * look.rows):
            what = tests[column.name][1]
            text = f"{_values(n, 'is', 'are')} not {what}, as the others are"
            found.append(
                Suspect("format", column.name, "type" if column not in plain else "shape", n,
                        conditions[column.name], text, text)
            )  # fmt: skip
    return found


def _failing(look: Look, columns: Sequence[Column], tests: dict[str, tuple[str, str]]) -> list[int]:
    """Values that don't pass their column's test."""
    cells = ", ".join(f"{text_of(c)} AS c{i}" for i, c in enumerate(columns))
    parts = ", ".join(
        f"count(*) FILTER (c{i} IS NOT NULL AND NOT {tests[c.name][0].replace('{v}', f'c{i}')})"
        for i, c in enumerate(columns)
    )
    sql = f"WITH texts AS MATERIALIZED (SELECT {cells} FROM {look.relation}) SELECT {parts} FROM texts"
    return list(look.engine.query(sql)[0])


def _applied(test: str, text: str) -> str:
    """NULL where there is no value: that is no format's fault."""
    return f"CASE WHEN {text} IS NOT NULL THEN {test.replace('{v}', f'({text})')} END"


_EXACT = (
    "regexp_replace(regexp_replace(regexp_replace({v}, '[0-9]', '9', 'g'), "
    "'\\p{L}', 'A', 'g'), '\\s', ' ', 'g')"
)


def _shapes(look: Look, columns: Sequence[Column]) -> dict[str, tuple[str, str]]:
    """Columns whose values nearly all have one shape, such as ``AA-9999``: letters A, digits 9."""
    if not columns or look.rows < _LEAST:
        return {}
    lists = ", ".join(
        f"approx_top_k(CASE WHEN strlen({text_of(c)}) <= 60 THEN "
        f"{_EXACT.replace('{v}', text_of(c))} ELSE 'long' END, 1)[1]"
        for c in columns
    )
    tops = look.engine.query(f"SELECT {lists} FROM {look.sample}")[0]
    likely = [
        (c, top) for c, top in zip(columns, tops, strict=True) if top and ("9" in top or len(top) <= 12)
    ]
    if not likely:
        return {}
    tests = {c.name: f"(strlen({{v}}) <= 60 AND {_EXACT} = {literal(top)})" for c, top in likely}
    parts = ", ".join(
        f"avg(({_applied(tests[c.name], text_of(c))})::INTEGER), count({text_of(c)})" for c, _ in likely
    )
    row = look.engine.query(f"SELECT {parts} FROM {look.sample}")[0]
    return {
        c.name: (tests[c.name], f"shaped like {top}")
        for i, (c, top) in enumerate(likely)
        if row[2 * i] is not None and _DOMINANT <= row[2 * i] < 1.0 + 1e-9 and row[2 * i + 1] >= _LEAST
    }
