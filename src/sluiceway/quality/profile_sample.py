"""The rows that a profile looks at more closely: brought near, sampled, and asked what the scan must know.

What needs an order (quantiles, MAD, the fences of outliers, the edges of a histogram) comes from the
sample; the scan then counts all rows against it, so that the whole takes two reads and flat memory. A table
that is no larger than the sample is its own sample, and then these figures are exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sluiceway.duck import ident, literal, relation
from sluiceway.ids import new_run_id
from sluiceway.run.standing import kind_of_file

if TYPE_CHECKING:
    from sluiceway.engines.base import Engine
    from sluiceway.run.standing import Standing
    from sluiceway.schema import Column, Schema

__all__ = [
    "CUT",
    "QUANTILES",
    "ColumnSample",
    "Near",
    "Sample",
    "double",
    "kind_of",
    "near",
    "number_of",
    "sampled",
]

CUT = 4_000
"""Texts of the sample are cut to this many characters: a million characters a cell would not fit anywhere."""
QUANTILES = {"p01": 0.01, "p05": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95, "p99": 0.99}
_BROUGHT = 1_000_000
_CELLS = 20_000_000
_LEAST = 1_000
_SEED = 42
_TOP = 10
_SHOWN = 200
_KINDS = {
    "integer": "number", "decimal": "number", "float": "number", "date": "time", "time": "time",
    "timestamp": "time", "timestamptz": "time", "text": "text", "json": "text", "boolean": "boolean",
    "blob": "binary",
}  # fmt: skip


def kind_of(column: Column) -> str:
    """How a column is profiled: ``number time text boolean binary other``.

    >>> from sluiceway.schema import Column
    >>> [kind_of(Column("a", t)) for t in ("UBIGINT", "DATE", "JSON", "INTEGER[]", "TIME WITH TIME ZONE")]
    ['number', 'time', 'text', 'other', 'other']
    """
    if column.type.upper() in ("TIME WITH TIME ZONE", "TIME_NS"):
        return "other"  # no moment of its own on a line: 10:00+02 and 09:00+01 are the same
    return _KINDS.get(column.family, "other")


def number_of(column: Column) -> str | None:
    """A column as DOUBLE, without NaN and infinity; dates and times in microseconds. None for the rest."""
    name, kind = ident(column.name), kind_of(column)
    if kind == "number":
        whole = f"CAST({name} AS DOUBLE)"
        return f"CASE WHEN isfinite({name}) THEN {whole} END" if column.family == "float" else whole
    if kind != "time":
        return None
    if column.family == "time":
        return f"CAST(epoch_us({name}) AS DOUBLE)"
    moment = name if column.family == "timestamptz" else f"CAST({name} AS TIMESTAMP)"
    return f"CASE WHEN isfinite({name}) THEN CAST(epoch_us({moment}) AS DOUBLE) END"


@dataclass(frozen=True)
class Near:
    """Rows within reach of the embedded engine: ``sql`` is a SELECT of them, ``scans`` what that took."""

    engine: Engine
    sql: str
    schema: Schema
    rows: int
    scans: int = 0
    notes: tuple[str, ...] = ()


def near(data: Standing) -> Near:
    """The rows of ``data`` where DuckDB reads them well.

    Text files are read once, into Parquet, since two reads of text cost more. Of another engine's rows a
    million at most are brought.
    """
    local = data.engine.local
    if local is not data.engine:
        return _brought(data, local)
    if kind_of_file(data.name) in ("csv", "json"):
        stage = local.stage("_profiled", data.sql)
        return Near(local, f"SELECT * FROM {stage.relation} AS _kept", stage.schema, stage.rows, 1)
    rows = data.rows
    if rows is None:
        rows = int(local.query(f"SELECT count(*) FROM ({data.sql}) AS _all")[0][0])
    return Near(local, data.sql, data.schema, rows)


def _brought(data: Standing, local: Engine) -> Near:
    engine = data.engine
    total = int(engine.query(f"SELECT count(*) FROM ({data.sql}) AS _all")[0][0])
    reader = engine.batches(f"SELECT * FROM ({data.sql}) AS _some LIMIT {_BROUGHT}", 10_000)
    stage = local.stage("_profiled", reader)
    note = f"brought from {engine.name} and profiled by DuckDB"
    if stage.rows < total:
        note = (
            f"{engine.name} has {total:,} rows; these are of the first {stage.rows:,} that it gave, "
            "profiled by DuckDB"
        )
    sql = f"SELECT * FROM {stage.relation} AS _kept"
    return Near(local, sql, stage.schema, stage.rows, 1, (note,))


@dataclass(frozen=True)
class ColumnSample:
    """What the sample says of one column; numbers as ``number_of`` makes them.

    ``distinct``, ``once`` and ``twice``: how many values there are, and how many are seen that often;
    ``top``: (value, rows, hash) of the most frequent.
    """

    low: float | None = None
    high: float | None = None
    quantiles: tuple[float, ...] = ()
    mad: float | None = None
    distinct: int = 0
    once: int = 0
    twice: int = 0
    top: tuple[tuple[Any, int, int], ...] = ()

    @property
    def guess(self) -> float:
        """About how many values the whole column has: Chao's estimator (1984), a lower bound.

        >>> ColumnSample(distinct=10, once=4, twice=2).guess
        14.0
        """
        return self.distinct + self.once * self.once / (2 * max(self.twice, 0.5))


@dataclass(frozen=True)
class Sample:
    """``relation`` is a table of the embedded engine; ``whole``: it holds every row."""

    relation: str
    rows: int
    whole: bool
    columns: tuple[ColumnSample, ...] = ()


@contextmanager
def sampled(data: Near, size: int) -> Iterator[Sample]:
    """About ``size`` rows at random, the same ones each time; fewer where there are very many columns."""
    limit = min(size, max(_LEAST, _CELLS // max(len(data.schema), 1)))
    # not a temporary table: those are seen by one cursor alone
    table = relation("memory", "main", f"_profile_{new_run_id()}")
    chosen = ", ".join(_kept(column) for column in data.schema)
    whole = data.rows <= limit
    using = "" if whole else f" USING SAMPLE {100 * limit / data.rows:.9f} PERCENT (bernoulli, {_SEED})"
    query = data.engine.query
    query(f"CREATE TABLE {table} AS SELECT {chosen} FROM ({data.sql}) AS _all{using}")
    try:
        rows = int(query(f"SELECT count(*) FROM {table}")[0][0])
        yield Sample(table, rows, whole, _facts(data, table))
    finally:
        query(f"DROP TABLE {table}")


def _kept(column: Column) -> str:
    name = ident(column.name)
    if column.type.upper() == "VARCHAR":
        return f"left({name}, {CUT}) AS {name}"
    if column.type.upper() == "JSON":  # cut JSON is none
        return f"left(CAST({name} AS VARCHAR), {CUT}) AS {name}"
    if column.type.upper() == "BLOB":
        return f"CASE WHEN octet_length({name}) <= {CUT} THEN {name} END AS {name}"
    return name


def _facts(data: Near, table: str) -> tuple[ColumnSample, ...]:
    columns = list(data.schema)
    found = [_values(data.engine, table, column) for column in columns]
    numbers = [(i, text) for i, column in enumerate(columns) if (text := number_of(column)) is not None]
    for at in range(0, len(numbers), 100):
        part = numbers[at : at + 100]
        listed = ", ".join(_measures(text) for _, text in part)
        row = data.engine.query(f"SELECT {listed} FROM {table}")[0]
        medians = {i: row[4 * n + 2][3] for n, (i, _) in enumerate(part) if row[4 * n + 2]}
        for n, (i, _) in enumerate(part):
            if i in medians:
                low, high, quantiles, mad = row[4 * n : 4 * n + 4]
                found[i] = replace(found[i], low=low, high=high, quantiles=tuple(quantiles), mad=mad)
    return tuple(found)


def _measures(number: str) -> str:
    shares = ", ".join(str(share) for share in QUANTILES.values())
    return f"min({number}), max({number}), quantile_cont({number}, [{shares}]), mad({number})"


def _values(engine: Engine, table: str, column: Column) -> ColumnSample:
    name = ident(column.name)
    shown = name if kind_of(column) in ("number", "boolean") else f"left(CAST({name} AS VARCHAR), {_SHOWN})"
    row = engine.query(
        "SELECT count(*), count_if(n = 1), count_if(n = 2), "
        f"max_by({{v: v, n: n, h: h}}, {{n: n, h: h}}, {_TOP}) "
        f"FROM (SELECT any_value({shown}) AS v, count(*) AS n, hash({name}) AS h FROM {table} "
        f"WHERE {name} IS NOT NULL GROUP BY {name}) AS _values"
    )[0]
    top = tuple((item["v"], item["n"], item["h"]) for item in row[3] or ())
    return ColumnSample(distinct=row[0], once=row[1] or 0, twice=row[2] or 0, top=top)


def double(value: float) -> str:
    """A DOUBLE as SQL that reads back bit by bit."""
    return f"CAST({literal(repr(float(value)))} AS DOUBLE)"
