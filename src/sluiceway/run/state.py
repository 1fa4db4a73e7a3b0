"""Cursors: where an incremental source goes on, and the new mark after it was read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from sluiceway.errors import SourceError
from sluiceway.exchange import Cursor
from sluiceway.schema import family
from sluiceway.sql.primitives import call, render
from sluiceway.units import duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sluiceway.engines.base import Engine, Stage
    from sluiceway.schema import Schema
    from sluiceway.spec.model import SourceSpec

__all__ = ["mark_of", "since"]


def since(engine: Engine, spec: SourceSpec, state: Sequence[Cursor]) -> Cursor | None:
    """The old mark with ``lag`` subtracted; None before the first run."""
    if spec.incremental is None:
        return None
    old = next((c for c in state if c.source == spec.name and c.column == spec.incremental.cursor), None)
    if old is None or old.value is None or spec.incremental.lag is None:
        return old
    type_ = old.type
    if family(type_) in ("integer", "decimal", "float"):
        expression = f"CAST($v AS {type_}) - CAST($lag AS {type_})"
        lag: str | float = spec.incremental.lag
    else:
        expression = f"CAST(CAST($v AS {type_}) - to_milliseconds(CAST($lag AS BIGINT)) AS {type_})"
        lag = round(duration(spec.incremental.lag) * 1000)
    value = engine.query(f"SELECT CAST({expression} AS VARCHAR)", {"v": old.value, "lag": lag})[0][0]
    return Cursor(old.source, old.column, old.type, value)


def mark_of(engine: Engine, spec: SourceSpec, schema: Schema, stage: Stage, old: Cursor | None) -> Cursor:
    """The maximum over the rows read, before filters and quarantine; it never goes back behind ``old``.

    Raises:
        SourceError: rows without a cursor value, and ``on_cursor_value_missing: raise``.
    """
    if spec.incremental is None:
        raise ValueError(f"source {spec.name} has no cursor")
    column = schema[spec.incremental.cursor]
    name = exp.column(column.name, quoted=True)
    dialect = engine.capabilities.dialect
    greatest = render(call("string_of", exp.Max(this=name), column.type), dialect)
    missing_ = f"count(*) - count({render(name, dialect)})"
    value, missing = engine.query(f"SELECT {greatest}, {missing_} FROM {stage.relation} AS _read")[0]
    if missing and spec.incremental.on_cursor_value_missing == "raise":
        raise SourceError(
            f"source '{spec.name}': {missing:,} rows have no value in the cursor column '{column.name}'",
            where=spec.where,
            hint="set incremental.on_cursor_value_missing to include or exclude",
        )
    if old is not None and old.value is not None:
        both = f"SELECT CAST(greatest(CAST($a AS {column.type}), CAST($b AS {column.type})) AS VARCHAR)"
        value = engine.local.query(both, {"a": value, "b": old.value})[0][0]
    return Cursor(spec.name, column.name, column.type, value)
