"""``length``: text has as many characters as it should."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, model_validator
from sqlglot import exp

from sluiceway.errors import PlanError
from sluiceway.rules.base import Dimension, RuleContext, column
from sluiceway.rules.params import ColumnRule, in_words
from sluiceway.sql.primitives import call

__all__ = ["Length"]

_Count = Annotated[int, Field(ge=0, strict=True)]


class Length(ColumnRule):
    """Every text has a number of characters (Unicode code points) within bounds. Empty text has 0.
    NULL passes.

    >>> (rule,) = Length.parse({"column": "zip", "min": 4, "max": 6}, {})
    >>> from sluiceway.errors import Where
    >>> from sluiceway.schema import Schema
    >>> from sluiceway.sql.primitives import lower
    >>> ctx = RuleContext(Schema.of({"zip": "VARCHAR"}), Where())
    >>> lower(rule.failing(ctx), "duckdb").sql("duckdb")
    'LENGTH("zip") < 4 OR LENGTH("zip") > 6'
    """

    kind: ClassVar[str] = "length"
    default_dimension: ClassVar[Dimension] = "accuracy"
    families: ClassVar[frozenset[str] | None] = frozenset({"text"})
    instead: ClassVar[str] = "length judges text; for numbers and dates use range"
    examples: ClassVar[tuple[str, ...]] = (
        "length: {column: name, min: 1, max: 200}",
        "length: {column: currency, exact: 3}",
    )

    min: _Count | None = Field(None, description="the least number of characters")
    max: _Count | None = Field(None, description="the greatest number of characters")
    exact: _Count | None = Field(None, description="exactly this many characters")

    @model_validator(mode="after")
    def _bounds(self) -> Length:
        if self.min is None and self.max is None and self.exact is None:
            raise ValueError("length needs min, max or exact")
        if self.exact is not None and (self.min is not None or self.max is not None):
            raise ValueError("give exact alone, or min and max")
        return self

    def validate_for(self, ctx: RuleContext) -> None:
        super().validate_for(ctx)
        if self.min is not None and self.max is not None and self.min > self.max:
            raise PlanError(
                f"no text is {self._words()} characters long", where=ctx.where, hint="swap min and max"
            )

    def failing(self, ctx: RuleContext) -> exp.Expr:
        length = call("length", column(self.column))
        given: tuple[tuple[type[exp.Binary], int | None], ...] = (
            (exp.NEQ, self.exact),
            (exp.LT, self.min),
            (exp.GT, self.max),
        )
        parts = [
            wrong(this=length.copy(), expression=exp.Literal.number(bound))
            for wrong, bound in given
            if bound is not None
        ]
        return exp.or_(*parts)

    def _words(self) -> str:
        return in_words(minimum=self.min, maximum=self.max, equals=self.exact)

    def explanation(self) -> str:
        return f"{self.column} must be {self._words()} characters long"
