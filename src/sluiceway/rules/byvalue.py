"""The rows of each value of a column, counted in one query and brought back as one text."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from sluiceway.rules.base import BATCH, RuleContext, column
from sluiceway.rules.metrics import count_rows
from sluiceway.rules.params import condition
from sluiceway.sql.primitives import call

if TYPE_CHECKING:
    from sluiceway.schema import Column

__all__ = ["BY_VALUE", "MOST_VALUES", "counts_of", "mapping_of", "rows_by_value"]

BY_VALUE = "row_counts"
"""The metric of a column that maps its values to their rows."""
MOST_VALUES = 100
_LONGEST = 100
_BETWEEN, _BESIDE = "\x1e", "\x1f"


def rows_by_value(given: Column, where: str | None, ctx: RuleContext) -> exp.Query:
    """The 100 most frequent values of ``_batch``, NULL aside, as one text: an engine gives back one row."""
    text = exp.Left(
        this=call("string_of", column(given.name), given.type), expression=exp.Literal.number(_LONGEST)
    )
    value, rows = column("_value"), column("_rows")
    present = exp.Not(this=exp.Is(this=column(given.name), expression=exp.null()))
    kept = [present, *([] if where is None else [condition(where, ctx)])]
    counted = (
        exp.select(exp.alias_(text, "_value", quoted=True), exp.alias_(count_rows(), "_rows", quoted=True))
        .from_(exp.table_(BATCH, quoted=True))
        .where(exp.and_(*kept))
        .group_by(text.copy())
    )
    greatest = (
        exp.select(value, rows)
        .from_(counted.subquery("_counted"))
        .order_by(exp.Ordered(this=rows.copy(), desc=True), exp.Ordered(this=value.copy()))
        .limit(MOST_VALUES)
    )
    said = exp.DPipe(
        this=exp.DPipe(this=value.copy(), expression=exp.Literal.string(_BESIDE)),
        expression=exp.cast(rows.copy(), "VARCHAR"),
    )
    ordered = exp.Order(
        this=exp.Literal.string(_BETWEEN), expressions=[exp.Ordered(this=value.copy(), nulls_first=False)]
    )
    listed = exp.Anonymous(this="string_agg", expressions=[said, ordered])
    return exp.select(exp.alias_(listed, "counts", quoted=True)).from_(greatest.subquery("_greatest"))


def counts_of(text: str | None) -> dict[str, int]:
    """
    >>> counts_of("paid\x1f3\x1eopen\x1f1"), counts_of(None)
    ({'paid': 3, 'open': 1}, {})
    """
    found = {}
    for item in (text or "").split(_BETWEEN) if text else ():
        value, _, rows = item.rpartition(_BESIDE)
        found[value] = int(rows)
    return found


def mapping_of(value: Any) -> dict[str, Any] | None:
    """A metric that is a mapping, as the store keeps it: JSON text."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return None
    return value if isinstance(value, dict) else None
