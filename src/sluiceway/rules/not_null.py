"""``not_null``: a column has a value in every row."""

from __future__ import annotations

from typing import Any, ClassVar

from sqlglot import exp

from sluiceway.rules.base import Dimension, Judgement, RuleContext, column
from sluiceway.rules.params import ColumnRule

__all__ = ["NotNull"]


class NotNull(ColumnRule):
    """Every row has a value. Empty text and NaN are values. A list of columns is one check each.

    >>> [r.columns_used for r in NotNull.parse(["id", "email"], {})]
    [('id',), ('email',)]
    """

    kind: ClassVar[str] = "not_null"
    default_dimension: ClassVar[Dimension] = "completeness"
    examples: ClassVar[tuple[str, ...]] = ("not_null: order_id", "not_null: [order_id, customer_id]")

    @classmethod
    def shorthand(cls, value: Any) -> tuple[dict[str, Any], ...]:
        names = value if isinstance(value, list) else [value]
        return tuple({"column": name} for name in names)

    def failing(self, ctx: RuleContext) -> exp.Expr:
        return column(self.column).is_(exp.null())

    def proven(self, ctx: RuleContext, rows: int) -> Judgement | None:
        _, _, nulls = ctx.bounds.get(ctx.schema[self.column].name, (None, None, None))
        return Judgement(0, rows) if nulls == 0 else None

    def explanation(self) -> str:
        return f"{self.column} must have a value"
