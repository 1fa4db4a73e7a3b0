"""``not_accepted_values``: a column never holds these values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from sluiceway.rules.params import ColumnRule, listed, one_of, typed

if TYPE_CHECKING:
    from sqlglot import exp

    from sluiceway.rules.base import Dimension, RuleContext

__all__ = ["NotAcceptedValues"]


class NotAcceptedValues(ColumnRule):
    """No value is one of a list, such as placeholders. Text is compared exactly. NULL passes.

    >>> (rule,) = NotAcceptedValues.parse({"column": "age", "values": [-1, 999]}, {})
    >>> from sluiceway.errors import Where
    >>> from sluiceway.rules.base import RuleContext
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
        for value in self.values:
            typed(value, ctx.schema[self.column], ctx, "values")

    def failing(self, ctx: RuleContext) -> exp.Expr:
        return one_of(self.values, ctx.schema[self.column], ctx)

    def explanation(self) -> str:
        return f"{self.column} must not be one of {listed(self.values)}"
