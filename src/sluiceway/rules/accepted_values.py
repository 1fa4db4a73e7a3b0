"""``accepted_values``: a column holds nothing but these values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field
from sqlglot import exp

from sluiceway.rules.params import ColumnRule, listed, one_of, typed

if TYPE_CHECKING:
    from sluiceway.rules.base import Dimension, RuleContext
    from sluiceway.rules.fixes.base import Fix

__all__ = ["AcceptedValues"]


class AcceptedValues(ColumnRule):
    """Every value is one of a list. Text is compared exactly: case and blanks count. NULL passes.

    >>> (rule,) = AcceptedValues.parse({"column": "status", "values": ["paid", "sent"]}, {})
    >>> from sluiceway.errors import Where
    >>> from sluiceway.rules.base import RuleContext
    >>> from sluiceway.schema import Schema
    >>> ctx = RuleContext(Schema.of({"status": "VARCHAR"}), Where())
    >>> rule.failing(ctx).sql("duckdb")
    'NOT "status" IN (\\'paid\\', \\'sent\\')'
    """

    kind: ClassVar[str] = "accepted_values"
    default_dimension: ClassVar[Dimension] = "accuracy"
    examples: ClassVar[tuple[str, ...]] = (
        "accepted_values: {column: status, values: [paid, shipped, returned]}",
    )

    values: tuple[Any, ...] = Field(min_length=1, description="the values, of the column's type")

    def validate_for(self, ctx: RuleContext) -> None:
        super().validate_for(ctx)
        for value in self.values:
            typed(value, ctx.schema[self.column], ctx, "values")

    def failing(self, ctx: RuleContext) -> exp.Expr:
        return exp.not_(one_of(self.values, ctx.schema[self.column], ctx))

    def own_fixes(self) -> tuple[Fix, ...]:
        from sluiceway.rules.fixes.registry import parse_fixes

        return parse_fixes("near_miss")

    def explanation(self) -> str:
        return f"{self.column} must be one of {listed(self.values)}"
