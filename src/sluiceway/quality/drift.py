"""Drift: how different two sides are, column by column, by effect and not by p-value alone.

A side is anything that ``standing`` opens; two snapshots of one dataset; or two ranges of a time column.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluiceway.duck import ident, literal
from sluiceway.errors import PlanError
from sluiceway.quality.drift_columns import compared
from sluiceway.quality.drift_model import Drift, Verdict, worst
from sluiceway.quality.drift_scan import kind_of, labels_of, lenses, scanned
from sluiceway.run.standing import standing
from sluiceway.schema import Schema

if TYPE_CHECKING:
    from sluiceway.engines.base import Engine
    from sluiceway.quality.ranges import TimeRange
    from sluiceway.run.standing import Standing
    from sluiceway.spec.model import Project

__all__ = ["Side", "drift", "drift_of_ranges", "drift_of_snapshots"]

_BATCH = 122_880


class Side:
    """A side that is open: a name, its columns, and a SELECT in the embedded engine."""

    def __init__(self, name: str, schema: Schema, engine: Engine, sql: str) -> None:
        self.name, self.schema, self.engine, self.sql = name, schema, engine, sql

    @classmethod
    def of(cls, data: Standing, name: str, place: str) -> Side:
        """What another engine holds is brought into the embedded one, once."""
        engine, sql = data.engine, data.sql
        if engine.local is not engine:
            stage = engine.local.stage(place, engine.batches(sql, _BATCH))
            engine, sql = engine.local, f"SELECT * FROM {stage.relation} AS _side"
        return cls(name, data.schema, engine, sql)

    def within(self, column: str, range_: TimeRange) -> Side:
        """The rows whose ``column`` lies in a range."""
        self.schema.require([column], of=self.name)
        found = self.schema[column]
        if found.family not in ("date", "timestamp", "timestamptz"):
            raise PlanError(
                f"column '{column}' of {self.name} is {found.type}, no date or timestamp",
                hint="name a DATE or TIMESTAMP column: --column NAME",
            )
        bounds = [f"CAST({literal(_naive(end))} AS TIMESTAMP)" for end in (range_.start, range_.end)]
        at = f"CAST({ident(found.name)} AS TIMESTAMP)"
        sql = f"SELECT * FROM ({self.sql}) AS _whole WHERE {at} >= {bounds[0]} AND {at} < {bounds[1]}"
        return Side(f"{self.name}, {column} {range_}", self.schema, self.engine, sql)


def drift(
    before: Any,
    after: Any,
    *,
    project: Project | None = None,
    environment: str | None = None,
    folder: Path | None = None,
    columns: Collection[str] = (),
    hidden: Collection[str] = (),
) -> Drift:
    """Compare two things that ``standing`` opens: files, datasets, connections' tables, rows.

    Args:
        columns: only these; all that both sides have if empty.
        hidden: columns whose values are not shown; their statistics are.

    Raises:
        PlanError: no such thing, or no column in common. SourceError, EngineError: it can't be read.

    >>> rows = [{"a": n % 10, "b": "x" if n % 2 else "y"} for n in range(1000)]
    >>> found = drift(rows, [{**row, "a": row["a"] + 5} for row in rows])
    >>> found["a"].verdict, found["b"].verdict, found["a"].ks
    ('large', 'none', 0.5)
    """
    how: dict[str, Any] = {"project": project, "environment": environment, "folder": folder}
    names = _names(before, after)
    with _opened(before, names[0], how) as left, _opened(after, names[1], how) as right:
        return _compared(left, right, columns, hidden)


def drift_of_snapshots(
    dataset: str,
    before: int,
    after: int | None = None,
    *,
    project: Project,
    environment: str | None = None,
    columns: Collection[str] = (),
    hidden: Collection[str] = (),
) -> Drift:
    """Compare a dataset as of two snapshots of its warehouse; ``after=None`` is as it stands.

    Raises:
        PlanError: the warehouse keeps no snapshots, or has none such.
    """
    how: dict[str, Any] = {"project": project, "environment": environment}
    names = f"{dataset} at snapshot {before}", f"{dataset} " + (f"at snapshot {after}" if after else "now")
    with (
        _opened(dataset, names[0], {**how, "snapshot": before}) as left,
        _opened(dataset, names[1], {**how, "snapshot": after}) as right,
    ):
        return _compared(left, right, columns, hidden)


def drift_of_ranges(
    target: Any,
    column: str,
    before: TimeRange,
    after: TimeRange,
    *,
    project: Project | None = None,
    environment: str | None = None,
    folder: Path | None = None,
    columns: Collection[str] = (),
    hidden: Collection[str] = (),
) -> Drift:
    """Compare the rows of two ranges of a date or timestamp column. Naive times are UTC.

    The column itself differs by the question and is left out.

    Raises:
        PlanError: no such thing, no such column, or it holds no times.
    """
    how: dict[str, Any] = {"project": project, "environment": environment, "folder": folder}
    with _opened(target, _names(target, target)[0], how) as whole:
        left, right = whole.within(column, before), whole.within(column, after)
        return _compared(left, right, columns, hidden, apart=column)


def _names(before: Any, after: Any) -> tuple[str, str]:
    names = [str(side) if isinstance(side, str | Path) else "data" for side in (before, after)]
    return ("before", "after") if names[0] == names[1] == "data" else (names[0], names[1])


@contextmanager
def _opened(target: Any, name: str, how: dict[str, Any]) -> Iterator[Side]:
    with ExitStack() as stack:
        yield Side.of(stack.enter_context(standing(target, **how)), name, "drift_side")


def _compared(
    left: Side, right: Side, columns: Collection[str], hidden: Collection[str], apart: str | None = None
) -> Drift:
    begun = time.monotonic()
    left.schema.require(columns, of=left.name)
    wanted = {name.casefold() for name in columns}
    common = [
        c for c in left.schema
        if c.name in right.schema and (not wanted or c.name.casefold() in wanted)
        and (apart is None or c.name.casefold() != apart.casefold())
    ]  # fmt: skip
    if not common:
        raise PlanError(f"{left.name} and {right.name} have no column in common to compare")
    retyped = [c for c in common if kind_of(c) != kind_of(right.schema[c.name])]
    same = [c for c in common if c not in retyped]
    of_right = [right.schema[c.name] for c in same]
    through = lenses(left.engine, left.sql, same)
    rows_left, found_left = scanned(left.engine, left.sql, same, through)
    rows_right, of_other = scanned(
        right.engine,
        right.sql,
        of_right,
        {o.name: through[c.name] for c, o in zip(same, of_right) if c.name in through},
    )
    secret = {name.casefold() for name in hidden}
    drifted = []
    for column, other in zip(same, of_right, strict=True):
        mine, theirs = found_left[column.name], of_other[other.name]
        covered = column.name.casefold() in secret
        labels = {} if covered else labels_of(left.engine, [*mine.top, *theirs.top])
        drifted.append(
            compared(
                column,
                (rows_left, mine),
                (rows_right, theirs),
                through.get(column.name),
                labels,
                hidden=covered,
            )
        )
    verdicts: list[Verdict] = [c.verdict for c in drifted]
    return Drift(
        left.name,
        right.name,
        rows_left,
        rows_right,
        worst(verdicts),
        tuple(drifted),
        added=() if wanted else tuple(c.name for c in right.schema if c.name not in left.schema),
        removed=() if wanted else tuple(c.name for c in left.schema if c.name not in right.schema),
        retyped=tuple(
            f"{c.name}: {c.type} -> {right.schema[c.name].type}"
            for c in common
            if c.type != right.schema[c.name].type
        ),
        seconds=time.monotonic() - begun,
    )


def _naive(moment: Any) -> str:
    return str(moment.replace(tzinfo=None).isoformat(sep=" "))
