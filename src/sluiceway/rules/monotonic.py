"""``monotonic``: a column only rises, or only falls, in an order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import AliasChoices, Field, field_validator
from sqlglot import exp

from sluiceway.rules import keys
from sluiceway.rules.base import BATCH, Dimension, Judgement, Measures, RuleContext, TableRule
from sluiceway.rules.params import NUMBERS, TIMES, condition, require_family

__all__ = ["Monotonic"]

_WRONG: dict[str, type[exp.Binary]] = {
    "increasing": exp.LT,
    "strictly_increasing": exp.LTE,
    "decreasing": exp.GT,
    "strictly_decreasing": exp.GTE,
}


class Monotonic(TableRule):
    """In the order of ``by``, and apart for each ``partition_by``, the column never falls
    (``increasing``) or never rises (``decreasing``); the strict ones refuse equal neighbours too. It
    looks at the batch alone. Rows with a NULL in one of these columns are not compared. Rows of one
    ``by`` are taken in the order that suits the rule. Every row below its predecessor fails, with the
    rows that equal it in all these columns.

    >>> (rule,) = Monotonic.parse({"column": "reading", "by": "at", "partition_by": "meter"}, {})
    >>> rule.explanation()
    'reading must be increasing by at within meter'
    >>> from sluiceway.errors import Where
    >>> from sluiceway.schema import Schema
    >>> ctx = RuleContext(Schema.of({"reading": "INT", "at": "DATE", "meter": "INT"}), Where())
    >>> "LAG" in rule.measures(ctx).queries[0].sql("duckdb")
    True
    """

    kind: ClassVar[str] = "monotonic"
    default_dimension: ClassVar[Dimension] = "consistency"
    examples: ClassVar[tuple[str, ...]] = (
        "monotonic: {column: reading, by: read_at, partition_by: meter_id}",
        "monotonic: {column: sequence, by: created_at, direction: strictly_increasing}",
    )

    column: str = Field(description="the column that rises or falls")
    by: str | tuple[str, ...] = Field(
        validation_alias=AliasChoices("by", "order_by"),
        description="the column, or columns, that give the order; order_by is another name for it",
    )
    direction: Literal["increasing", "strictly_increasing", "decreasing", "strictly_decreasing"] = Field(
        "increasing", description="which way, and whether equal neighbours are refused"
    )
    partition_by: str | tuple[str, ...] = Field(
        (), description="the column, or columns, within which the order is looked at"
    )

    @field_validator("by")
    @classmethod
    def _ordered(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        return keys.distinct(value)

    @property
    def columns_used(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.column, *keys.names(self.by), *keys.names(self.partition_by))))

    def validate_for(self, ctx: RuleContext) -> None:
        super().validate_for(ctx)
        instead = "monotonic judges numbers, dates and times; cast the column in a step before"
        require_family(self, ctx.schema[self.column], NUMBERS | TIMES | {"time"}, ctx, instead)

    def _drops(self, ctx: RuleContext) -> exp.Select:
        """The rows at which the column goes the wrong way, as values of ``columns_used``."""
        columns = self.columns_used
        down = self.direction.endswith("decreasing")
        (judged,) = keys.of([self.column], None)
        order = [exp.Ordered(this=part) for part in keys.of(keys.names(self.by), None)]
        order.append(exp.Ordered(this=judged.copy(), desc=down))
        before = exp.Window(
            this=exp.Lag(this=judged.copy()),
            partition_by=keys.of(keys.names(self.partition_by), None) or None,
            order=exp.Order(expressions=order),
        )
        rows = exp.select(*keys.of(columns, None), exp.alias_(before, "_before", quoted=True))
        rows = rows.from_(exp.table_(BATCH, quoted=True)).where(keys.given(columns, None))
        if self.where is not None:
            rows = rows.where(condition(self.where, ctx))
        wrong = _WRONG[self.direction](this=judged.copy(), expression=exp.column("_before", quoted=True))
        return exp.select(*keys.of(columns, None)).from_(rows.subquery("_ordered")).where(wrong)

    def measures(self, ctx: RuleContext) -> Measures:
        drops = exp.select(exp.Count(this=exp.Star())).from_(self._drops(ctx).subquery("_drops"))
        rows = exp.select(exp.Count(this=exp.Star())).from_(exp.table_(BATCH, quoted=True))
        if self.where is not None:
            rows = rows.where(condition(self.where, ctx))
        both = exp.select(
            exp.alias_(drops.subquery(), "drops", quoted=True),
            exp.alias_(rows.subquery(), "rows", quoted=True),
        )
        return Measures(queries=(both,))

    def judge(self, values: Mapping[str, Any], ctx: RuleContext) -> Judgement:
        drops, rows = int(values["drops"]), int(values["rows"])
        if not drops:
            return Judgement(0, rows)
        message = f"{self.column} is not {self._words()} at {drops} places"
        return Judgement(drops, rows, drops, message, exact=False)

    def bad_rows(self, ctx: RuleContext) -> exp.Expr:
        return keys.within(keys.key(self.columns_used, None), self._drops(ctx))

    def _words(self) -> str:
        within = ", ".join(keys.names(self.partition_by))
        order = f"{self.direction.replace('_', ' ')} by {', '.join(keys.names(self.by))}"
        return f"{order} within {within}" if within else order

    def explanation(self) -> str:
        return f"{self.column} must be {self._words()}"
