"""One scan of a side: every column's counts, in bins that both sides share. No row leaves the engine.

Numbers are counted in bins that need no knowledge of the other side or of the extremes: floor(64 ·
asinh((x - c) / s)), narrow about the centre ``c`` and 1.6 % of the distance from it further out, so that
some hundreds of them hold any column. Centre and unit come from the first rows of a side. Categories are
counted by 65,536 buckets of their hash, so that a column of identifiers stays small too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from sluiceway.duck import ident

if TYPE_CHECKING:
    from sluiceway.engines.base import Engine
    from sluiceway.schema import Column

__all__ = ["Counted", "Kind", "Lens", "kind_of", "labels_of", "lenses", "scanned"]

Kind = Literal["numeric", "time", "category", "other"]
_KINDS: Mapping[str, Kind] = {
    "integer": "numeric", "decimal": "numeric", "float": "numeric", "date": "time", "time": "time",
    "timestamp": "time", "timestamptz": "time", "text": "category", "boolean": "category",
}  # fmt: skip
_HEAD = 2048
_FINE = 64
_BUCKETS = 65_536
_TOP = 40
_AT_ONCE = 100
"""Columns of one query; each is read once, whatever their number."""


@dataclass(frozen=True)
class Lens:
    """Where a number's bins lie: centre and unit."""

    centre: float
    unit: float

    def lower(self, bin_: int) -> float:
        """The least value of a bin; infinite where a double can't hold it."""
        try:
            return self.centre + self.unit * math.sinh(bin_ / _FINE)
        except OverflowError:
            return math.copysign(math.inf, bin_)


@dataclass
class Counted:
    """A column of one side. ``bins``: bin or bucket -> rows; ``special``: NaN and infinities; ``top``: the
    likely most frequent texts."""

    nulls: int = 0
    special: int = 0
    bins: dict[int, int] = field(default_factory=dict)
    mean: float | None = None
    deviation: float | None = None
    least: float | None = None
    greatest: float | None = None
    top: tuple[str, ...] = ()


def kind_of(column: Column) -> Kind:
    """How a column is compared.

    >>> from sluiceway.schema import Column
    >>> kind_of(Column("a", "DECIMAL(9,2)")), kind_of(Column("b", "INTEGER[]"))
    ('numeric', 'other')
    """
    return _KINDS.get(column.family, "other")


def lenses(engine: Engine, sql: str, columns: Sequence[Column]) -> dict[str, Lens]:
    """A lens for each number and time, from the first rows."""
    wanted = [c for c in columns if kind_of(c) in ("numeric", "time")]
    out: dict[str, Lens] = {}
    for some in _batches(wanted):
        listed = ", ".join(
            f"quantile_cont({_number(c)}, [0.25, 0.5, 0.75]) FILTER (isfinite({_number(c)}))" for c in some
        )
        row = engine.query(f"SELECT {listed} FROM (SELECT * FROM ({sql}) AS _side LIMIT {_HEAD}) AS _head")[0]
        out |= {c.name: _lens(quartiles) for c, quartiles in zip(some, row, strict=True)}
    return out


def _lens(quartiles: Sequence[float] | None) -> Lens:
    """A unit that is too small costs a few bins more, one that is too large hides differences."""
    if not quartiles:
        return Lens(0.0, 1e-3)
    low, centre, high = map(float, quartiles)
    unit = (high - low) / 8
    return Lens(centre, unit if unit > 0 else max(abs(centre), 1.0) * 1e-3)


def scanned(
    engine: Engine, sql: str, columns: Sequence[Column], through: Mapping[str, Lens]
) -> tuple[int, dict[str, Counted]]:
    """(rows, counts by column) of one side, in one scan."""
    rows, out = 0, {}
    for some in _batches(columns) if columns else [()]:
        listed = ["count(*)"]
        for column in some:
            listed += _aggregates(column, through)
        answer = iter(engine.query(f"SELECT {', '.join(listed)} FROM ({sql}) AS _side")[0])
        rows = int(next(answer))
        for column in some:
            out[column.name] = _read(column, rows, answer)
    return rows, out


def _aggregates(column: Column, through: Mapping[str, Lens]) -> list[str]:
    name, kind = ident(column.name), kind_of(column)
    there = f"count({name})"
    if kind == "category":
        text = f"CAST({name} AS VARCHAR)"
        bucket = f"CAST(hash({text}) % {_BUCKETS} AS INTEGER)"
        return [there, f"histogram({bucket}) FILTER ({name} IS NOT NULL)", f"approx_top_k({text}, {_TOP})"]
    if kind == "other":
        return [there]
    x, lens = _number(column), through[column.name]
    # FILTER keeps NaN and infinities out of a count, not out of the computation: so they are bounded
    apart = _bounded(f"({x} - CAST({lens.centre!r} AS DOUBLE)) / CAST({lens.unit!r} AS DOUBLE)", 1e300)
    tame = _bounded(x, 1e150)  # its square is a number
    where = f"FILTER (isfinite({x}))"
    return [
        there,
        f"histogram(CAST(floor({_FINE} * asinh({apart})) AS INTEGER)) {where}",
        f"count(*) {where}",
        f"avg({tame}) {where}",
        f"stddev_samp({tame} - CAST({lens.centre!r} AS DOUBLE)) {where}",
        f"min({x}) {where}",
        f"max({x}) {where}",
    ]


def _bounded(sql: str, bound: float) -> str:
    return f"least(greatest({sql}, CAST({-bound!r} AS DOUBLE)), CAST({bound!r} AS DOUBLE))"


def _read(column: Column, rows: int, answer: Iterator[Any]) -> Counted:
    there, kind = int(next(answer)), kind_of(column)
    found = Counted(nulls=rows - there)
    if kind == "other":
        return found
    found.bins = {int(key): int(count) for key, count in (next(answer) or {}).items()}
    if kind == "category":
        found.top = tuple(next(answer) or ())
        return found
    found.special = there - int(next(answer))
    numbers = [next(answer) for _ in range(4)]
    found.mean, found.deviation, found.least, found.greatest = (
        None if number is None else float(number) for number in numbers
    )
    return found


def labels_of(engine: Engine, texts: Sequence[str]) -> dict[int, str]:
    """Bucket -> the text that falls into it."""
    if not texts:
        return {}
    found = engine.query(
        f"SELECT CAST(hash(_text) % {_BUCKETS} AS INTEGER), _text FROM (SELECT unnest($texts) AS _text)",
        {"texts": sorted(set(texts))},
    )
    return {int(bucket): str(text) for bucket, text in found}


def _number(column: Column) -> str:
    name = ident(column.name)
    if kind_of(column) == "numeric":
        return f"CAST({name} AS DOUBLE)"
    if column.family in ("date", "timestamp", "timestamptz"):  # infinite dates have no seconds
        return f"CASE WHEN isfinite({name}) THEN CAST(epoch({name}) AS DOUBLE) ELSE 'inf'::DOUBLE END"
    return f"CAST(epoch({name}) AS DOUBLE)"


def _batches(columns: Sequence[Column]) -> Iterator[Sequence[Column]]:
    for start in range(0, len(columns), _AT_ONCE):
        yield columns[start : start + _AT_ONCE]
