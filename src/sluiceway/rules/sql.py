"""``sql``: a SELECT of the wrong rows, or of a number that must be right."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar

from pydantic import Field, field_validator
from sqlglot import exp

from sluiceway.errors import PlanError, Where
from sluiceway.rules.base import BATCH, Dimension, Judgement, Measures, RuleContext, TableRule
from sluiceway.rules.params import NUMBERS, with_variables
from sluiceway.sql.safe import bind_tables, parse_select, tables_of
from sluiceway.sql.typing import describe

__all__ = ["Sql"]

Number = int | float

_OPERATORS = (
    "must_be", "must_not_be", "must_be_greater_than", "must_be_greater_or_equal_to", "must_be_less_than",
    "must_be_less_or_equal_to", "must_be_between", "must_not_be_between",
)  # fmt: skip


class Sql(TableRule):
    """One SELECT over ``_`` (the batch) and any source, step or table of the warehouse. Without a
    ``must_be…`` each row that it gives is a failure; with one it gives one number, which is judged; a
    NULL there passes. ``between`` includes its bounds. ``where`` can't be used: write it in the query.

    >>> (rule,) = Sql.parse("SELECT id FROM _ WHERE amount < 0", {})
    >>> from sluiceway.errors import Where
    >>> from sluiceway.schema import Schema
    >>> ctx = RuleContext(Schema.of({"id": "INTEGER", "amount": "DOUBLE"}), Where())
    >>> print(rule.measures(ctx).queries[0].sql("duckdb"))
    SELECT (SELECT COUNT(*) FROM (SELECT id FROM "_batch" AS _ WHERE amount < 0) AS "_failing") \
AS "failing", (SELECT COUNT(*) FROM "_batch") AS "rows"
    """

    kind: ClassVar[str] = "sql"
    default_dimension: ClassVar[Dimension] = "consistency"
    examples: ClassVar[tuple[str, ...]] = (
        'sql: "SELECT order_id FROM _ GROUP BY order_id HAVING sum(amount) < 0"',
        "sql: {query: SELECT count(*) FROM _ WHERE amount = 0, must_be_less_than: 10}",
    )

    query: str = Field(description="the SELECT; _ is the batch")
    must_be: Number | None = Field(None, description="the number must be this")
    must_not_be: Number | None = Field(None, description="the number must not be this")
    must_be_greater_than: Number | None = Field(None, description="the number must be above this")
    must_be_greater_or_equal_to: Number | None = Field(None, description="the number must be at least this")
    must_be_less_than: Number | None = Field(None, description="the number must be below this")
    must_be_less_or_equal_to: Number | None = Field(None, description="the number must be at most this")
    must_be_between: tuple[Number, Number] | None = Field(None, description="[low, high], both included")
    must_not_be_between: tuple[Number, Number] | None = Field(
        None, description="[low, high], both excluded from what is right"
    )

    @classmethod
    def shorthand(cls, value: Any) -> tuple[dict[str, Any], ...]:
        return ({"query": value},)

    @field_validator("must_be_between", "must_not_be_between")
    @classmethod
    def _ordered(cls, value: tuple[Number, Number] | None) -> tuple[Number, Number] | None:
        if value is not None and value[0] > value[1]:
            raise ValueError("the lower bound comes first")
        return value

    @property
    def _limits(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _OPERATORS if getattr(self, name) is not None}

    def reads(self) -> tuple[str, ...]:
        return tuple(n for n in tables_of(parse_select(self.query, Where())) if n not in ("_", BATCH))

    def _tree(self, ctx: RuleContext) -> exp.Query:
        parsed = parse_select(self.query, ctx.where)
        known = [*ctx.relations, BATCH]
        bound: exp.Query = bind_tables(parsed, known, ctx.where, current=BATCH)
        tree = with_variables(bound, ctx)
        if not isinstance(tree, exp.Query):
            raise TypeError("a SELECT stays a SELECT")
        return tree

    def validate_for(self, ctx: RuleContext) -> None:
        if self.where is not None:
            raise PlanError(
                "where can't be added to a sql rule", where=ctx.where, hint="write it in the query itself"
            )
        tree = self._tree(ctx)
        found = describe(tree, {**ctx.relations, BATCH: ctx.schema}, ctx.where)
        if self._limits and (len(found) != 1 or found.columns[0].family not in NUMBERS):
            raise PlanError(
                f"the query gives ({', '.join(f'{c.name} {c.type}' for c in found)}), not one number",
                where=ctx.where,
                hint="select one aggregate, such as count(*), or leave must_be… out to count rows",
            )

    def measures(self, ctx: RuleContext) -> Measures:
        tree = self._tree(ctx)
        if self._limits:
            # two columns, so that a query of several rows is seen
            of = tree.subquery(
                exp.TableAlias(this=exp.to_identifier("_number", quoted=True), columns=[_id("v")])
            )
            one = exp.select(
                exp.alias_(exp.Max(this=exp.column(_id("v"))), "value", quoted=True),
                exp.alias_(exp.Count(this=exp.Star()), "rows", quoted=True),
            ).from_(of)
            return Measures(queries=(one,))
        failing = exp.select(exp.Count(this=exp.Star())).from_(tree.subquery(_id("_failing")))
        rows = exp.select(exp.Count(this=exp.Star())).from_(exp.table_(BATCH, quoted=True))
        both = exp.select(
            exp.alias_(failing.subquery(), "failing", quoted=True),
            exp.alias_(rows.subquery(), "rows", quoted=True),
        )
        return Measures(queries=(both,))

    def judge(self, values: Mapping[str, Any], ctx: RuleContext) -> Judgement:
        if not self._limits:
            failing, rows = int(values["failing"]), int(values["rows"])
            message = f"the query found {failing} rows" if failing else ""
            return Judgement(failing, max(rows, failing, 1), failing, message)
        value, rows = values["value"], int(values["rows"])
        if rows > 1:
            return Judgement(1, 1, rows, f"the query gave {rows} rows, not one number")
        if value is None:
            return Judgement(0, 1, None, "the query gave no value")
        wrong = [name for name, limit in self._limits.items() if not _holds(name, value, limit)]
        said = " and ".join(f"{name.replace('_', ' ')} {_shown(self._limits[name])}" for name in wrong)
        return Judgement(int(bool(wrong)), 1, value, f"the number is {value}; it {said}" if wrong else "")

    def explanation(self) -> str:
        shown = " ".join(self.query.split())
        if not self._limits:
            return f"this must find no rows: {shown}"
        said = " and ".join(f"{n.replace('_', ' ')} {_shown(v)}" for n, v in self._limits.items())
        return f"this number {said}: {shown}"


def _id(name: str) -> exp.Identifier:
    return exp.to_identifier(name, quoted=True)


def _shown(limit: Any) -> str:
    return f"{limit[0]} and {limit[1]}" if isinstance(limit, tuple) else str(limit)


def _holds(operator: str, value: Any, limit: Any) -> bool:
    number = Decimal(str(value))
    if number.is_nan():
        return operator.startswith("must_not")
    if isinstance(limit, tuple):
        inside = Decimal(str(limit[0])) <= number <= Decimal(str(limit[1]))
        return inside == (operator == "must_be_between")
    bound = Decimal(str(limit))
    return {
        "must_be": number == bound,
        "must_not_be": number != bound,
        "must_be_greater_than": number > bound,
        "must_be_greater_or_equal_to": number >= bound,
        "must_be_less_than": number < bound,
        "must_be_less_or_equal_to": number <= bound,
    }[operator]
