"""``expression``: a condition that every row fulfils."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field
from sqlglot import exp

from sluiceway.errors import PlanError, Where
from sluiceway.rules.base import BATCH, Dimension, RowRule, RuleContext
from sluiceway.rules.params import condition
from sluiceway.sql.safe import parse_expression
from sluiceway.sql.typing import describe

__all__ = ["Expression"]


class Expression(RowRule):
    """A condition over one row, in SQL. Where it gives NULL the row passes. It can take ``:vars``;
    ``now()`` is the run's start.

    >>> (rule,) = Expression.parse("shipped_at >= created_at", {})
    >>> from sluiceway.errors import Where
    >>> from sluiceway.schema import Schema
    >>> ctx = RuleContext(Schema.of({"shipped_at": "DATE", "created_at": "DATE"}), Where())
    >>> rule.failing(ctx).sql("duckdb")
    'NOT (shipped_at >= created_at)'
    """

    kind: ClassVar[str] = "expression"
    default_dimension: ClassVar[Dimension] = "consistency"
    examples: ClassVar[tuple[str, ...]] = (
        "expression: shipped_at IS NULL OR shipped_at >= created_at",
        'expression: "coalesce(discount, 0) <= amount"',
    )

    expression: str = Field(description="the condition that a right row fulfils; quote it if it has a comma")

    @classmethod
    def shorthand(cls, value: Any) -> tuple[dict[str, Any], ...]:
        if value is None:
            raise ValueError("the expression is empty; quote expressions with a comma or a colon")
        return tuple({"expression": text} for text in (value if isinstance(value, list) else [value]))

    @property
    def columns_used(self) -> tuple[str, ...]:
        """The columns that the condition names, in the order of its text."""
        tree = parse_expression(self.expression, Where())
        found = tree.find_all(exp.Column, bfs=False)
        # in "address.city" the column is address; in "_.city" it is city
        names = [
            c.parts[1].name if c.parts[0].name == "_" and len(c.parts) > 1 else c.parts[0].name for c in found
        ]
        return tuple(dict.fromkeys(names))

    def validate_for(self, ctx: RuleContext) -> None:
        tree = condition(self.expression, ctx)
        super().validate_for(ctx)
        for kinds, what, hint in (
            ((exp.AggFunc,), "an aggregate", "judge aggregates with the aggregate rule"),
            ((exp.Window,), "a window function", "derive a column in a step before"),
            ((exp.Query, exp.Subquery), "a subquery", "use relationships, or the sql rule"),
        ):
            if tree.find(*kinds):
                raise PlanError(
                    f"an expression rule looks at one row; '{self.expression}' has {what}",
                    where=ctx.where,
                    hint=hint,
                )
        query = exp.select(exp.alias_(tree, "ok")).from_(exp.table_(BATCH, quoted=True))
        found = describe(query, {BATCH: ctx.schema}, ctx.where).columns[0]
        if found.family != "boolean":
            raise PlanError(
                f"'{self.expression}' gives {found.type}, not true or false",
                where=ctx.where,
                hint="compare it with something, such as: amount > 0",
            )

    def failing(self, ctx: RuleContext) -> exp.Expr:
        return exp.not_(condition(self.expression, ctx))

    def explanation(self) -> str:
        return f"every row must fulfil: {self.expression}"
