"""``aggregate``: a number about the whole table lies between bounds."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar

from pydantic import Field, model_validator
from sqlglot import exp

from sluiceway.errors import PlanError, Where
from sluiceway.rules.base import BATCH, Dimension, Judgement, Measures, RuleContext, TableRule
from sluiceway.rules.params import NUMBERS, in_words, with_variables
from sluiceway.sql.safe import parse_expression
from sluiceway.sql.support import AGGREGATES
from sluiceway.sql.typing import describe

__all__ = ["Aggregate"]


class Aggregate(TableRule):
    """An aggregate over the publishable rows lies within bounds. Where there is nothing to aggregate
    (NULL) it passes: row_count asks for rows.

    >>> (rule,) = Aggregate.parse({"measure": "avg(amount)", "min": 20, "max": 80}, {})
    >>> from sluiceway.errors import Where
    >>> from sluiceway.schema import Schema
    >>> ctx = RuleContext(Schema.of({"amount": "DOUBLE"}), Where())
    >>> rule.measures(ctx).aggregates["value"].sql("duckdb"), rule.judge({"value": 12.5}, ctx).message
    ('AVG(amount)', 'avg(amount) is 12.5; it must be at least 20 and at most 80')
    """

    kind: ClassVar[str] = "aggregate"
    default_dimension: ClassVar[Dimension] = "accuracy"
    examples: ClassVar[tuple[str, ...]] = (
        "aggregate: {measure: avg(amount), min: 20, max: 80}",
        'aggregate: {measure: "sum(net) - sum(gross)", equals: 0}',
    )

    measure: str = Field(description="an SQL expression of aggregates that gives one number")
    min: int | float | None = Field(None, description="the least value that is right")
    max: int | float | None = Field(None, description="the greatest value that is right")
    min_exclusive: int | float | None = Field(None, description="the value must be above this")
    max_exclusive: int | float | None = Field(None, description="the value must be below this")
    equals: int | float | None = Field(None, description="exactly this value")

    @model_validator(mode="after")
    def _bounds(self) -> Aggregate:
        limits = (self.min, self.max, self.min_exclusive, self.max_exclusive)
        if all(limit is None for limit in (*limits, self.equals)):
            raise ValueError("aggregate needs min, max, min_exclusive, max_exclusive or equals")
        if self.equals is not None and any(limit is not None for limit in limits):
            raise ValueError("give equals alone, or bounds")
        return self

    @property
    def columns_used(self) -> tuple[str, ...]:
        tree = parse_expression(self.measure, Where())
        return tuple(dict.fromkeys(c.parts[0].name for c in tree.find_all(exp.Column, bfs=False)))

    def _tree(self, ctx: RuleContext) -> exp.Expr:
        tree = with_variables(parse_expression(self.measure, ctx.where), ctx)
        return _only_plain(tree.transform(_aggregate_node), self.measure, ctx)

    def validate_for(self, ctx: RuleContext) -> None:
        tree = self._tree(ctx)
        super().validate_for(ctx)
        if not tree.find(exp.AggFunc):
            raise PlanError(
                f"'{self.measure}' has no aggregate",
                where=ctx.where,
                hint="write one such as avg(amount); for a condition on every row use expression",
            )
        query = exp.select(exp.alias_(tree, "value")).from_(exp.table_(BATCH, quoted=True))
        found = describe(query, {BATCH: ctx.schema}, ctx.where).columns[0]
        if found.family not in NUMBERS:
            raise PlanError(
                f"'{self.measure}' gives {found.type}, not a number",
                where=ctx.where,
                hint="for the newest date use freshness",
            )
        low, high = _first(self.min, self.min_exclusive), _first(self.max, self.max_exclusive)
        if low is not None and high is not None and low > high:
            raise PlanError(f"no number is {self._words()}", where=ctx.where, hint="swap the bounds")

    def measures(self, ctx: RuleContext) -> Measures:
        return Measures({"value": self._tree(ctx)})

    def judge(self, values: Mapping[str, Any], ctx: RuleContext) -> Judgement:
        value = values["value"]
        if value is None:
            return Judgement(0, 1, None, f"{self.measure} has no value")
        # a NaN is in no range, and compares with none
        if isinstance(value, float) and value != value:
            return Judgement(1, 1, None, f"{self.measure} is not a number")
        right = all(
            (
                self.equals is None or _exact(value) == _exact(self.equals),
                self.min is None or _exact(value) >= _exact(self.min),
                self.max is None or _exact(value) <= _exact(self.max),
                self.min_exclusive is None or _exact(value) > _exact(self.min_exclusive),
                self.max_exclusive is None or _exact(value) < _exact(self.max_exclusive),
            )
        )
        message = "" if right else f"{self.measure} is {value}; it must be {self._words()}"
        return Judgement(int(not right), 1, value, message)

    def _words(self) -> str:
        return in_words(
            minimum=self.min,
            maximum=self.max,
            above=self.min_exclusive,
            below=self.max_exclusive,
            equals=self.equals,
        )

    def explanation(self) -> str:
        return f"{self.measure} must be {self._words()}"


def _exact(value: Any) -> Decimal:
    """By its shortest text: 0.1 of the engine's DECIMAL equals 0.1 of the YAML."""
    return Decimal(str(value))


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _aggregate_node(node: Any) -> Any:
    """Aggregates that sqlglot has no class for, as aggregates: the gate restricts each of them."""
    if isinstance(node, exp.Anonymous) and node.name.lower() in AGGREGATES:
        return exp.AnonymousAggFunc(this=node.name, expressions=node.expressions)
    return node


def _only_plain(tree: exp.Expr, text: str, ctx: RuleContext) -> exp.Expr:
    """``count(x) FILTER (WHERE c)`` as ``count(CASE WHEN c THEN x END)``: the gate adds a FILTER of its
    own. What can't be said so is refused."""

    def refuse(what: str, hint: str) -> PlanError:
        return PlanError(f"'{text}' has {what}", where=ctx.where, hint=hint)

    if tree.find(exp.Query, exp.Subquery):
        raise refuse("a subquery", "use the sql rule")
    if tree.find(exp.Window):
        raise refuse("a window function", "derive a column in a step before")

    def rewrite(node: Any) -> Any:
        if not isinstance(node, exp.Filter):
            return node
        call, only = node.this, node.expression.this
        if isinstance(call, exp.Count) and isinstance(call.this, exp.Star):
            return exp.Count(this=exp.Case().when(only, exp.Literal.number(1)))
        plain = isinstance(call, exp.Avg | exp.Count | exp.Max | exp.Min | exp.Sum)
        if not plain or isinstance(call.this, exp.Distinct) or call.expressions:
            raise refuse("a FILTER", "write it as an argument: max(CASE WHEN condition THEN x END)")
        return type(call)(this=exp.Case().when(only, call.this.copy()))

    plain: exp.Expr = tree.transform(rewrite)
    return plain
