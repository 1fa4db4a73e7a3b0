"""``range``: numbers, dates and times lie between bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, model_validator
from sqlglot import exp

from sluiceway.errors import PlanError
from sluiceway.rules.base import Dimension, Judgement, RuleContext, column
from sluiceway.rules.params import NUMBERS, TIMES, ColumnRule, in_words, typed
from sluiceway.sql.primitives import call

if TYPE_CHECKING:
    from sluiceway.rules.fixes.base import Fix

__all__ = ["Range"]


class Range(ColumnRule):
    """Every value lies between bounds; ``min`` and ``max`` are inclusive. NULL passes. NaN is no
    number, so it lies in no range and fails.

    >>> (rule,) = Range.parse({"column": "amount", "min": 0, "max_exclusive": 100}, {})
    >>> from sluiceway.errors import Where
    >>> from sluiceway.schema import Schema
    >>> rule.failing(RuleContext(Schema.of({"amount": "DECIMAL(9,2)"}), Where())).sql("duckdb")
    '"amount" < 0 OR "amount" >= 100'
    """

    kind: ClassVar[str] = "range"
    default_dimension: ClassVar[Dimension] = "accuracy"
    families: ClassVar[frozenset[str] | None] = NUMBERS | TIMES | {"time"}
    instead: ClassVar[str] = (
        "range judges numbers, dates and times; for text use length, pattern or accepted_values, "
        "or cast the column in a step before"
    )
    examples: ClassVar[tuple[str, ...]] = (
        "range: {column: amount, min: 0, max: 100000}",
        "range: {column: share, min_exclusive: 0, max_exclusive: 1}",
        "range: {column: created_at, min: '2020-01-01'}",
    )

    min: Any = Field(None, description="the least value that is right")
    max: Any = Field(None, description="the greatest value that is right")
    min_exclusive: Any = Field(None, description="values must be above this")
    max_exclusive: Any = Field(None, description="values must be below this")

    @model_validator(mode="after")
    def _bounds(self) -> Range:
        if all(v is None for v in (self.min, self.max, self.min_exclusive, self.max_exclusive)):
            raise ValueError("range needs min, max, min_exclusive or max_exclusive")
        if self.min is not None and self.min_exclusive is not None:
            raise ValueError("give min or min_exclusive, not both")
        if self.max is not None and self.max_exclusive is not None:
            raise ValueError("give max or max_exclusive, not both")
        return self

    def _limits(self, ctx: RuleContext) -> list[tuple[type[exp.Binary], Any, exp.Expr]]:
        """(comparison that a wrong value fulfils, bound, literal), lower bounds first."""
        judged = ctx.schema[self.column]
        given: tuple[tuple[str, Any, type[exp.Binary]], ...] = (
            ("min", self.min, exp.LT),
            ("min_exclusive", self.min_exclusive, exp.LTE),
            ("max", self.max, exp.GT),
            ("max_exclusive", self.max_exclusive, exp.GTE),
        )
        return [(wrong, *typed(v, judged, ctx, key)) for key, v, wrong in given if v is not None]

    def validate_for(self, ctx: RuleContext) -> None:
        super().validate_for(ctx)
        limits = self._limits(ctx)
        if len(limits) == 2:
            (low_kind, low, _), (high_kind, high, _) = limits
            inclusive = low_kind is exp.LT and high_kind is exp.GT
            if low > high or (low == high and not inclusive):
                raise PlanError(
                    f"no value of '{self.column}' can be {self._words()}",
                    where=ctx.where,
                    hint="swap the bounds" if low > high else "use min and max for a single value",
                )

    def failing(self, ctx: RuleContext) -> exp.Expr:
        judged = column(self.column)
        parts: list[exp.Expr] = [
            wrong(this=judged.copy(), expression=literal) for wrong, _, literal in self._limits(ctx)
        ]
        if ctx.schema[self.column].family == "float":
            parts.append(call("is_nan", judged.copy()))
        return exp.or_(*parts)

    def proven(self, ctx: RuleContext, rows: int) -> Judgement | None:
        judged = ctx.schema[self.column]
        low, high, nulls = ctx.bounds.get(judged.name, (None, None, None))
        if nulls is not None and nulls == rows:
            return Judgement(0, rows)
        if low is None or high is None or judged.family == "float":
            return None  # footers say nothing of NaN
        try:
            least, greatest = typed(low, judged, ctx, "min")[0], typed(high, judged, ctx, "max")[0]
        except PlanError:
            return None  # a bound in a form that only the engine reads: judge by reading
        for wrong, bound, _ in self._limits(ctx):
            outside = {
                exp.LT: least < bound,
                exp.LTE: least <= bound,
                exp.GT: greatest > bound,
                exp.GTE: greatest >= bound,
            }
            if outside[wrong]:
                return None
        return Judgement(0, rows)

    def _words(self) -> str:
        return in_words(
            minimum=self.min, maximum=self.max, above=self.min_exclusive, below=self.max_exclusive
        )

    def own_fixes(self) -> tuple[Fix, ...]:
        from sluiceway.rules.fixes.registry import parse_fixes

        return parse_fixes("clamp")

    def explanation(self) -> str:
        return f"{self.column} must be {self._words()}"
