"""Keys of one or more columns, in SQL: for ``unique``, ``relationships`` and ``monotonic``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from sluiceway.rules.params import condition

if TYPE_CHECKING:
    from sluiceway.rules.base import RuleContext

__all__ = ["distinct", "given", "key", "names", "of", "plural", "select", "within"]


def names(value: str | Sequence[str]) -> tuple[str, ...]:
    """One column or a list of them."""
    return (value,) if isinstance(value, str) else tuple(value)


def of(columns: Sequence[str], relation: str | None) -> list[exp.Expr]:
    """Columns, qualified: a name that ``relation`` lacks must not be looked up further out."""
    table = exp.to_identifier(relation, quoted=True) if relation else None
    return [exp.column(exp.to_identifier(name, quoted=True), table=table) for name in columns]


def given(columns: Sequence[str], relation: str | None) -> exp.Expr:
    """No part of the key is NULL."""
    return exp.and_(*(exp.not_(part.is_(exp.null())) for part in of(columns, relation)))


def key(columns: Sequence[str], relation: str | None) -> exp.Expr:
    """The column, or a row of columns."""
    parts = of(columns, relation)
    return parts[0] if len(parts) == 1 else exp.Tuple(expressions=parts)


def within(value: exp.Expr, query: exp.Query) -> exp.Expr:
    """``value IN (query)``."""
    return exp.In(this=value, query=exp.Subquery(this=query))


def select(columns: Sequence[str], relation: str, ctx: RuleContext, where: str | None = None) -> exp.Select:
    """The keys of ``relation`` that have no NULL part, among the rows that match ``where``."""
    query = exp.select(*of(columns, relation)).from_(exp.table_(relation, quoted=True))
    query = query.where(given(columns, relation))
    return query.where(condition(where, ctx)) if where is not None else query


def plural(value: Any) -> Any:
    """``columns`` is taken for ``column``."""
    if isinstance(value, dict) and "columns" in value and "column" not in value:
        return {("column" if k == "columns" else k): v for k, v in value.items()}
    return value


def distinct(value: str | tuple[str, ...]) -> str | tuple[str, ...]:
    """Refuse an empty list, and a column named twice."""
    columns = [name.casefold() for name in names(value)]
    if not columns:
        raise ValueError("name at least one column")
    if len(set(columns)) != len(columns):
        raise ValueError("a column is named twice")
    return value
