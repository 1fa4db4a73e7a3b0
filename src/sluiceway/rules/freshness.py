"""``freshness``: the newest row is not too old."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar

from pydantic import Field, field_validator
from sqlglot import exp

from sluiceway.rules.base import Dimension, Judgement, Measures, RuleContext, TableRule, column
from sluiceway.rules.metrics import instant
from sluiceway.rules.params import TIMES, duration, require_family

__all__ = ["Freshness"]


class Freshness(TableRule):
    """The newest value of a time column, over the publishable rows, is at most ``max_age`` before the
    run's start. A naive time is in the source's timezone; a date counts from its first moment. With
    no value at all there is nothing fresh: it fails.

    >>> (rule,) = Freshness.parse({"column": "updated_at", "max_age": "26h"}, {})
    >>> from sluiceway.errors import Where
    >>> from sluiceway.schema import Schema
    >>> ctx = RuleContext(Schema.of({"updated_at": "TIMESTAMP"}), Where(), started_at="2026-11-23 06:00:00")
    >>> rule.measures(ctx).aggregates["newest"].sql("duckdb")
    'MAX("updated_at")'
    >>> from datetime import datetime
    >>> rule.judge({"newest": datetime(2026, 11, 22, 3)}, ctx).message
    'the newest updated_at is 1 day, 3:00:00 old (2026-11-22 03:00:00+00:00)'
    """

    kind: ClassVar[str] = "freshness"
    default_dimension: ClassVar[Dimension] = "timeliness"
    examples: ClassVar[tuple[str, ...]] = ("freshness: {column: updated_at, max_age: 26h}",)

    column: str = Field(description="the date or timestamp column")
    max_age: str = Field(description="how old the newest value may be: 30m, 26h, 2d")

    @field_validator("max_age")
    @classmethod
    def _duration(cls, value: str) -> str:
        if duration(value) <= timedelta():
            raise ValueError("max_age must be above 0")
        return value

    @property
    def columns_used(self) -> tuple[str, ...]:
        return (self.column,)

    def validate_for(self, ctx: RuleContext) -> None:
        super().validate_for(ctx)
        instead = "freshness judges dates and timestamps; cast the column in a step before"
        require_family(self, ctx.schema[self.column], TIMES, ctx, instead)

    def measures(self, ctx: RuleContext) -> Measures:
        return Measures({"newest": exp.Max(this=column(self.column))})

    def judge(self, values: Mapping[str, Any], ctx: RuleContext) -> Judgement:
        newest = instant(values["newest"], ctx.timezone)
        if newest is None:
            return Judgement(1, 1, None, f"no row has a value of {self.column}")
        age = instant(ctx.started_at) - newest  # type: ignore[operator]
        observed = newest.isoformat()
        if age > duration(self.max_age):
            return Judgement(1, 1, observed, f"the newest {self.column} is {age} old ({newest})")
        return Judgement(0, 1, observed)

    def proven(self, ctx: RuleContext, rows: int) -> Judgement | None:
        _, newest, nulls = ctx.bounds.get(ctx.schema[self.column].name, (None, None, None))
        if newest is None and not (nulls is not None and nulls == rows):
            return None
        try:
            return self.judge({"newest": newest}, ctx)
        except ValueError:
            return None  # a bound in a form that only the engine reads: judge by reading

    def explanation(self) -> str:
        return f"the newest {self.column} must be at most {self.max_age} old"
