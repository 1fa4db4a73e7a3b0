"""``accepted_values``: a column holds nothing but these values."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field
from sqlglot import exp

from sluiceway.rules.base import Dimension, RuleContext, column
from sluiceway.rules.params import ColumnRule, listed, typed

__all__ = ["AcceptedValues"]


class AcceptedValues(ColumnRule):
    """Every value is one of a list. Text is compared exactly: case and blanks count. NULL passes.

    >>> (rule,) = AcceptedValues.parse({"column": "status", "values": ["paid", "sent"]}, {})
    >>> from sluiceway.errors import Where
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
        self._literals(ctx)

    def _literals(self, ctx: RuleContext) -> list[exp.Expr]:
        judged = ctx.schema[self.column]
        return [typed(value, judged, ctx, "values")[1] for value in self.values]

    def failing(self, ctx: RuleContext) -> exp.Expr:
        return exp.not_(exp.In(this=column(self.column), expressions=self._literals(ctx)))

    def explanation(self) -> str:
        return f"{self.column} must be one of {listed(self.values)}"
