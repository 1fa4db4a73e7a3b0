"""``relationships``: every key is a key of a parent."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field, field_validator, model_validator
from sqlglot import exp

from sluiceway.errors import PlanError, did_you_mean
from sluiceway.rules import keys
from sluiceway.rules.base import BATCH, Dimension, RowRule, RuleContext
from sluiceway.rules.params import comparable
from sluiceway.schema import Schema

__all__ = ["Relationships"]

_SELF = ("_", BATCH)


class Relationships(RowRule):
    """Every key is found in a parent: a source, a step or a table of the warehouse, with its column.
    Lists are a composite key. A key with a NULL part passes. Parents are taken as they are; where the
    parent is the very table that the pipeline loads, or ``_``, the batch is among the parents.

    >>> (rule,) = Relationships.parse({"column": "customer_id", "to": "customers.id"}, {})
    >>> from sluiceway.errors import Where
    >>> customers = Schema.of({"id": "BIGINT"})
    >>> ctx = RuleContext(Schema.of({"customer_id": "BIGINT"}), Where(), relations={"customers": customers})
    >>> print(rule.failing(ctx).sql("duckdb"))
    NOT "customer_id" IS NULL AND NOT "customer_id" IN (SELECT "customers"."id" FROM "customers" \
WHERE NOT "customers"."id" IS NULL)
    """

    kind: ClassVar[str] = "relationships"
    default_dimension: ClassVar[Dimension] = "consistency"
    examples: ClassVar[tuple[str, ...]] = (
        "relationships: {column: customer_id, to: customers.customer_id}",
        "relationships: {column: [order_id, line], to: [mart.lines.order_id, mart.lines.line]}",
        "relationships: {column: manager_id, to: _.employee_id}",
    )

    column: str | tuple[str, ...] = Field(description="the column, or a list: one composite key")
    to: str | tuple[str, ...] = Field(
        description="RELATION.COLUMN of the parent: customers.id, mart.customers.id; a list for a list"
    )

    @model_validator(mode="before")
    @classmethod
    def _plural(cls, value: Any) -> Any:
        return keys.plural(value)

    @field_validator("column")
    @classmethod
    def _columns(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        return keys.distinct(value)

    @model_validator(mode="after")
    def _pairs(self) -> Relationships:
        parents = keys.names(self.to)
        if len(parents) != len(self.columns_used):
            raise ValueError("column and to must name as many columns")
        if any(len(p.rsplit(".", 1)) != 2 or not all(p.rsplit(".", 1)) for p in parents):
            raise ValueError("write to as RELATION.COLUMN, such as customers.customer_id")
        if len({p.rsplit(".", 1)[0] for p in parents}) != 1:
            raise ValueError("all columns of to must be of one relation")
        return self

    @property
    def columns_used(self) -> tuple[str, ...]:
        return keys.names(self.column)

    @property
    def parent(self) -> str:
        """The parent relation, as written."""
        return keys.names(self.to)[0].rsplit(".", 1)[0]

    @property
    def parent_columns(self) -> tuple[str, ...]:
        return tuple(name.rsplit(".", 1)[1] for name in keys.names(self.to))

    def reads(self) -> tuple[str, ...]:
        return () if self.parent in _SELF else (self.parent,)

    def _parents(self, ctx: RuleContext) -> dict[str, Schema]:
        """Relations whose keys are parents: the named one, the batch where it refers to itself."""
        wanted = self.parent.casefold()
        if wanted in _SELF:
            return {BATCH: ctx.schema}
        found = {name: s for name, s in ctx.relations.items() if name.casefold() == wanted}
        if ctx.destination and wanted in _spellings(ctx.destination):
            found[BATCH] = ctx.schema
        if not found:
            raise PlanError(
                f"there is no source, step or dataset '{self.parent}'",
                where=ctx.where,
                hint=did_you_mean(self.parent, ["_", *ctx.relations]),
            )
        return found

    def validate_for(self, ctx: RuleContext) -> None:
        super().validate_for(ctx)
        for relation, schema in self._parents(ctx).items():
            schema.require(self.parent_columns, ctx.where, relation)
            for child, parent in zip(self.columns_used, self.parent_columns, strict=True):
                ours, theirs = ctx.schema[child], schema[parent]
                if not comparable(ours.family, theirs.family):
                    raise PlanError(
                        f"'{child}' is {ours.type} and {self.parent}.{parent} is {theirs.type}: "
                        "they can't be compared without a guess",
                        where=ctx.where,
                        hint="cast one of them in a step before",
                    )

    def failing(self, ctx: RuleContext) -> exp.Expr:
        # what the children's keys must be in; without NULLs there, NOT IN is never unknown
        child, given = keys.key(self.columns_used, None), keys.given(self.columns_used, None)
        known = [keys.select(self.parent_columns, relation, ctx) for relation in self._parents(ctx)]
        orphaned = [exp.not_(keys.within(child.copy(), query)) for query in known]
        return exp.and_(given, *orphaned)

    def explanation(self) -> str:
        return f"{', '.join(self.columns_used)} must be in {', '.join(keys.names(self.to))}"


def _spellings(table: str) -> tuple[str, ...]:
    """``mart.orders`` and, in the default namespace, the bare name."""
    name = table.casefold()
    return (name, name.removeprefix("main.")) if name.startswith("main.") else (name,)
