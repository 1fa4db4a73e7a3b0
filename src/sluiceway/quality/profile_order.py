"""Whether a column goes up or down in the order in which the rows lie, without sorting anything.

Only files and rows in memory have an order. A look at the first rows ends it for most columns; the rest take
one more read of theirs, in one thread, since only a streaming window keeps the order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sluiceway.duck import ident
from sluiceway.quality.profile_sample import kind_of

if TYPE_CHECKING:
    from sluiceway.engines.base import Engine
    from sluiceway.quality.model import Monotonicity
    from sluiceway.quality.profile_scan import Counted

__all__ = ["monotonic"]

_FIRST = 10_000
_MOST = 20


def monotonic(
    engine: Engine, sql: str, rows: int, columns: tuple[Counted, ...]
) -> tuple[dict[str, Monotonicity], int]:
    """By column which way it goes, for those that go one way; and how many more reads that took.

    NULLs are skipped. A column of one value goes nowhere. At most twenty columns are followed to the end.
    """
    asked = [c for c in columns if _ordered(c)]
    if not asked:
        return {}, 0
    found = _directions(engine, f"SELECT * FROM ({sql}) AS _all", asked, f" LIMIT {_FIRST}")
    left = [c for c in asked if found[c.column.name] is not None][:_MOST]
    if not left:
        return {}, 0
    full = [c for c in left if c.values["count"] == rows]
    told = _directions(engine, sql, full) if full else {}
    gaps = [c for c in left if c not in full]
    for one in gaps:
        name = ident(one.column.name)
        told |= _directions(engine, f"SELECT {name} FROM ({sql}) AS _all WHERE {name} IS NOT NULL", [one])
    return {name: way for name, way in told.items() if way is not None}, bool(full) + len(gaps)


def _ordered(counted: Counted) -> bool:
    kind, values = kind_of(counted.column), counted.values
    wanted = kind in ("number", "time") or counted.column.family == "text"
    return wanted and not values.get("nan") and values["count"] > 1 and values.get("min") != values.get("max")


def _directions(
    engine: Engine, sql: str, columns: list[Counted], limit: str = ""
) -> dict[str, Monotonicity | None]:
    """With ``limit``: what the first rows do not rule out."""
    names = [ident(c.column.name) for c in columns]
    pairs = ", ".join(f"{n} AS v{i}, lag({n}) OVER () AS p{i}" for i, n in enumerate(names))
    counts = ", ".join(
        f"count_if(v{i} > p{i}), count_if(v{i} = p{i}), count_if(v{i} < p{i})" for i in range(len(names))
    )
    row = engine.query(f"SELECT {counts} FROM (SELECT {pairs} FROM ({sql}) AS _rows{limit}) AS _pairs")[0]
    return {c.column.name: _way(*row[3 * i : 3 * i + 3], final=not limit) for i, c in enumerate(columns)}


def _way(up: int | None, same: int | None, down: int | None, *, final: bool) -> Monotonicity | None:
    """
    >>> _way(9, 0, 0, final=True), _way(0, 1, 8, final=True), _way(5, 0, 4, final=True)
    ('strictly increasing', 'decreasing', None)
    """
    if up and down:
        return None
    if not up and not down:
        return None if final else "increasing"
    if up:
        return "increasing" if same else "strictly increasing"
    return "decreasing" if same else "strictly decreasing"
