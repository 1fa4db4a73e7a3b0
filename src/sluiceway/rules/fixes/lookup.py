"""``lookup``: the value that another relation has under a key of the row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, field_validator
from sqlglot import exp

from sluiceway.errors import PlanError, did_you_mean
from sluiceway.rules.base import column
from sluiceway.rules.fixes.base import Fix
from sluiceway.rules.params import comparable

if TYPE_CHECKING:
    from sluiceway.rules.base import Rule, RuleContext
    from sluiceway.schema import Column

__all__ = ["Lookup"]


class Lookup(Fix):
    """Fills from ``RELATION.COLUMN``, a source, a step or a dataset, the row with the same key. A key
    that has several values there, or none, is no answer.

    >>> Lookup.model_validate({"value": "customers.country", "on": "customer_id"}).relation
    'customers'
    """

    kind: ClassVar[str] = "lookup"
    families: ClassVar[frozenset[str] | None] = None
    example: ClassVar[str] = (
        "{not_null: country, on_fail: fix, fix: {lookup: {value: customers.country, on: customer_id}}}"
    )

    value: str = Field(description="RELATION.COLUMN: where the value stands")
    on: str | dict[str, str] = Field(description="the key's column, or {ours: theirs}")

    @field_validator("value")
    @classmethod
    def _two(cls, value: str) -> str:
        if not all(value.rpartition(".")[::2]):
            raise ValueError("write RELATION.COLUMN, such as customers.country")
        return value

    @field_validator("on", mode="before")
    @classmethod
    def _one(cls, value: Any) -> Any:
        if isinstance(value, dict) and len(value) != 1:
            raise ValueError("name one column, or one pair {ours: theirs}")
        return value

    @property
    def relation(self) -> str:
        return self.value.rpartition(".")[0]

    @property
    def keys(self) -> tuple[str, str]:
        """Our column and theirs."""
        if isinstance(self.on, str):
            return self.on, self.on
        (pair,) = self.on.items()
        return pair

    def reads(self) -> tuple[str, ...]:
        return (self.relation,)

    def _found(self, ctx: RuleContext) -> str:
        for name in ctx.relations:
            if name.casefold() == self.relation.casefold():
                return name
        raise PlanError(
            f"there is no source, step or dataset '{self.relation}'",
            where=ctx.where,
            hint=did_you_mean(self.relation, list(ctx.relations)),
        )

    def validate_for(self, rule: Rule, judged: Column, ctx: RuleContext) -> None:
        name = self._found(ctx)
        theirs, (our_key, their_key) = ctx.relations[name], self.keys
        ctx.schema.require([our_key], ctx.where)
        wanted = self.value.rpartition(".")[2]
        theirs.require([their_key, wanted], ctx.where, name)
        pairs = ((ctx.schema[our_key], theirs[their_key]), (judged, theirs[wanted]))
        for ours, other in pairs:
            if not comparable(ours.family, other.family):
                raise PlanError(
                    f"'{ours.name}' is {ours.type} and {name}.{other.name} is {other.type}: they don't fit",
                    where=ctx.where,
                    hint="cast one of them in a step before",
                )

    def table(self, ctx: RuleContext, key: str, value: str) -> exp.Select:
        """A SELECT of the keys that have one value, and that, under these names."""
        wanted, theirs = self.value.rpartition(".")[2], self.keys[1]
        once = exp.EQ(
            this=exp.Count(this=exp.Distinct(expressions=[column(wanted)])), expression=exp.Literal.number(1)
        )
        return (
            exp.select(
                exp.alias_(column(theirs), key, quoted=True),
                exp.alias_(exp.Min(this=column(wanted)), value, quoted=True),
            )
            .from_(exp.table_(self._found(ctx), quoted=True))
            .where(exp.not_(column(theirs).is_(exp.null())))
            .group_by(column(theirs))
            .having(once)
        )
