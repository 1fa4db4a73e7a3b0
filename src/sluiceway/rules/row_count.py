"""``row_count``: how many rows there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field, model_validator
from sqlglot import exp

from sluiceway.errors import PlanError
from sluiceway.rules.base import Dimension, Judgement, Measures, RuleContext, TableRule
from sluiceway.rules.params import in_words

__all__ = ["RowCount"]

_Count = Annotated[int, Field(ge=0, strict=True)]


class RowCount(TableRule):
    """The number of publishable rows (what is left after row rules took theirs) lies within bounds. A
    bare number is an exact count.

    >>> (rule,) = RowCount.parse({"min": 1}, {})
    >>> from sluiceway.errors import Where
    >>> from sluiceway.schema import Schema
    >>> ctx = RuleContext(Schema.of({"id": "BIGINT"}), Where())
    >>> rule.measures(ctx).aggregates["rows"].sql("duckdb"), rule.judge({"rows": 0}, ctx).failing
    ('COUNT(*)', 1)
    """

    kind: ClassVar[str] = "row_count"
    default_dimension: ClassVar[Dimension] = "completeness"
    examples: ClassVar[tuple[str, ...]] = ("row_count: {min: 1}", "row_count: {min: 1000, max: 2000}")

    min: _Count | None = Field(None, description="the least number of rows")
    max: _Count | None = Field(None, description="the greatest number of rows")
    equals: _Count | None = Field(None, description="exactly this many rows")

    @classmethod
    def shorthand(cls, value: Any) -> tuple[dict[str, Any], ...]:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError("row_count takes a number, or {min: …, max: …}")
        return ({"equals": value},)

    @model_validator(mode="after")
    def _bounds(self) -> RowCount:
        if self.min is None and self.max is None and self.equals is None:
            raise ValueError("row_count needs min, max or equals")
        if self.equals is not None and (self.min is not None or self.max is not None):
            raise ValueError("give equals alone, or min and max")
        return self

    def validate_for(self, ctx: RuleContext) -> None:
        super().validate_for(ctx)
        if self.min is not None and self.max is not None and self.min > self.max:
            raise PlanError(f"no table has {self._words()} rows", where=ctx.where, hint="swap min and max")

    def measures(self, ctx: RuleContext) -> Measures:
        return Measures({"rows": exp.Count(this=exp.Star())})

    def judge(self, values: Mapping[str, Any], ctx: RuleContext) -> Judgement:
        rows = int(values["rows"])
        wrong = (
            (self.equals is not None and rows != self.equals)
            or (self.min is not None and rows < self.min)
            or (self.max is not None and rows > self.max)
        )
        message = f"{rows} rows; there must be {self._words()}" if wrong else ""
        return Judgement(int(wrong), 1, rows, message)

    def proven(self, ctx: RuleContext, rows: int) -> Judgement | None:
        return self.judge({"rows": rows}, ctx)

    def _words(self) -> str:
        return in_words(minimum=self.min, maximum=self.max, equals=self.equals)

    def explanation(self) -> str:
        return f"there must be {self._words()} rows"
