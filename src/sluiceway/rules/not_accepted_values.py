"""``not_accepted_values``: a column never holds these values."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field
from sqlglot import exp

from sluiceway.rules.base import Dimension, RuleContext, column
from sluiceway.rules.params import ColumnRule, listed, typed

__all__ = ["NotAcceptedValues"]


class NotAcceptedValues(ColumnRule):
    """No value is one of a list, such as placeholders. Text is compared exactly. NULL passes.

    >>> (rule,) = NotAcceptedValues.parse({"column": "age", "values": [-1, 999]}, {})
    >>> from sluiceway.errors import Where
    >>> from sluiceway.schema import Schema
    >>> rule.failing(RuleContext(Schema.of({"age": "INTEGER"}), Where())).sql("duckdb")
    '"age" IN (-1, 999)'
    """

    kind: ClassVar[str] = "not_accepted_values"
    default_dimension: ClassVar[Dimension] = "accuracy"
    examples: ClassVar[tuple[str, ...]] = (
        "not_accepted_values: {column: country, values: ['', 'N/A', unknown]}",
    )

    values: tuple[Any, ...] = Field(min_length=1, description="the values, of the column's type")

    def validate_for(self, ctx: RuleContext) -> None:
        super().validate_for(ctx)
        self._literals(ctx)

    def _literals(self, ctx: RuleContext) -> list[exp.Expr]:
        judged = ctx.schema[self.column]
        return [typed(value, judged, ctx, "values")[1] for value in self.values]

    def failing(self, ctx: RuleContext) -> exp.Expr:
        return exp.In(this=column(self.column), expressions=self._literals(ctx))

    def explanation(self) -> str:
        return f"{self.column} must not be one of {listed(self.values)}"
