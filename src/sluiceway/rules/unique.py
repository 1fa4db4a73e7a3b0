"""``unique``: no key stands twice in the table as it would be after the publish."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, field_validator, model_validator
from sqlglot import exp

from sluiceway.errors import PlanError
from sluiceway.rules import keys
from sluiceway.rules.base import BATCH, TARGET, Dimension, Judgement, Measures, RuleContext, TableRule
from sluiceway.rules.params import condition
from sluiceway.sql.primitives import call

if TYPE_CHECKING:
    from sluiceway.rules.fixes.base import Fix

__all__ = ["Unique"]

_WIDEST = 2**29
"""Numbers between the least and the greatest key for which a bit each is kept: 64 MB a thread."""


class Unique(TableRule):
    """No key repeats in the table as it would stand after the publish; with ``scope: batch`` in the
    batch alone. A list of columns is one composite key. Keys with a NULL part are not compared. Every
    row of the batch whose key repeats fails, the first one too: keeping one is the work of the
    deduplicate step. Text is compared exactly; NaN equals NaN.

    >>> (rule,) = Unique.parse("order_id", {})
    >>> from sluiceway.errors import Where
    >>> from sluiceway.schema import Schema
    >>> from sluiceway.sql.primitives import lower
    >>> bounds = {"order_id": (1, 100, 0)}
    >>> ctx = RuleContext(Schema.of({"order_id": "BIGINT"}), Where(), bounds=bounds)
    >>> print(lower(rule.measures(ctx).queries[0], "duckdb").sql("duckdb"))
    SELECT COUNT(*) AS "rows", COUNT("order_id") AS "keys", \
BIT_COUNT(BITSTRING_AGG("order_id", 1, 100)) AS "distinct" FROM "_batch"
    """

    kind: ClassVar[str] = "unique"
    default_dimension: ClassVar[Dimension] = "uniqueness"
    examples: ClassVar[tuple[str, ...]] = (
        "unique: order_id",
        "unique: [order_id, line]",
        "unique: {column: email, scope: batch, where: active}",
    )

    column: str | tuple[str, ...] = Field(description="the column, or a list: one composite key")

    @model_validator(mode="before")
    @classmethod
    def _plural(cls, value: Any) -> Any:
        return keys.plural(value)

    @field_validator("column")
    @classmethod
    def _columns(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        return keys.distinct(value)

    @classmethod
    def shorthand(cls, value: Any) -> tuple[dict[str, Any], ...]:
        return ({"column": value},)

    @property
    def columns_used(self) -> tuple[str, ...]:
        return keys.names(self.column)

    def validate_for(self, ctx: RuleContext) -> None:
        super().validate_for(ctx)
        for name in self.columns_used:
            if ctx.schema[name].family in ("nested", "unknown", "json"):
                raise PlanError(
                    f"unique does not fit column '{name}' of type {ctx.schema[name].type}",
                    where=ctx.where,
                    hint="derive the part of it that is the key in a step before",
                )

    def _beside_target(self, ctx: RuleContext) -> bool:
        if self.scope == "batch" or not ctx.has_target:
            return False
        # merge: the rows that stay have other keys than the batch, so no key that holds all of the
        # primary key can meet one of theirs
        own = {name.casefold() for name in self.columns_used}
        return not (ctx.mode == "merge" and ctx.key and {k.casefold() for k in ctx.key} <= own)

    def measures(self, ctx: RuleContext) -> Measures:
        counts = self._dense(ctx) or self._hashed(ctx)
        if not self._beside_target(ctx):
            return Measures(queries=(counts,))
        # over the target's keys, so that what is kept in memory is the batch
        meets = keys.within(keys.key(self.columns_used, TARGET), self._select(BATCH, ctx))
        clashes = exp.select(_as(exp.Count(this=exp.Star()), "clashes"))
        clashes = self._from(clashes, TARGET, ctx).where(meets)
        return Measures(queries=(counts, clashes))

    def _dense(self, ctx: RuleContext) -> exp.Select | None:
        """Integers that lie close together: a bit each, where their bounds are known."""
        if len(self.columns_used) != 1:
            return None
        judged = ctx.schema[self.columns_used[0]]
        low, high, _ = ctx.bounds.get(judged.name, (None, None, None))
        if judged.family != "integer" or "HUGE" in judged.type.upper() or low is None or high is None:
            return None
        if int(high) - int(low) >= _WIDEST:
            return None
        (column,) = keys.of([judged.name], None)
        query = exp.select(
            _as(exp.Count(this=exp.Star()), "rows"),
            _as(exp.Count(this=column), "keys"),
            _as(call("count_distinct_dense", column.copy(), int(low), int(high)), "distinct"),
        )
        return self._from(query, BATCH, ctx)

    def _hashed(self, ctx: RuleContext) -> exp.Select:
        """Distinct hashes: as many as keys proves that no key repeats; fewer is looked at again, key by
        key, by ``bad_rows``. Memory does not depend on how wide the keys are."""
        parts = keys.of(self.columns_used, None)
        hashed = exp.Case().when(keys.given(self.columns_used, None), call("hash64", *parts))
        inner = self._from(exp.select(_as(hashed, "_h")), BATCH, ctx)
        column = exp.column("_h", quoted=True)
        return exp.select(
            _as(exp.Count(this=exp.Star()), "rows"),
            _as(exp.Count(this=column), "keys"),
            _as(exp.Count(this=exp.Distinct(expressions=[column.copy()])), "distinct"),
        ).from_(inner.subquery("_hashed", copy=False))

    def judge(self, values: Mapping[str, Any], ctx: RuleContext) -> Judgement:
        rows, surplus = int(values["rows"]), int(values["keys"]) - int(values["distinct"] or 0)
        clashes = int(values.get("clashes") or 0)
        if not surplus and not clashes:
            return Judgement(0, rows)
        names = ", ".join(self.columns_used)
        message = f"{names} repeats" if surplus else f"{names} is in the table already"
        return Judgement(surplus + clashes, rows, surplus + clashes, message, exact=False)

    def bad_rows(self, ctx: RuleContext) -> exp.Expr:
        columns = self.columns_used
        collide = exp.select(exp.column("_h", quoted=True)).from_(
            self._from(exp.select(_as(call("hash64", *keys.of(columns, BATCH)), "_h")), BATCH, ctx)
            .where(keys.given(columns, BATCH))
            .subquery("_hashed")
        )
        twice = exp.GT(this=exp.Count(this=exp.Star()), expression=exp.Literal.number(1))
        collide = collide.group_by(exp.column("_h", quoted=True)).having(twice.copy())
        repeated = self._select(BATCH, ctx).where(
            keys.within(call("hash64", *keys.of(columns, BATCH)), collide)
        )
        repeated = repeated.group_by(*keys.of(columns, BATCH)).having(twice)
        bad = keys.within(keys.key(columns, None), repeated)
        if self._beside_target(ctx):
            meets = keys.within(keys.key(columns, TARGET), self._select(BATCH, ctx))
            there = self._select(TARGET, ctx).where(meets)
            bad = exp.or_(bad, keys.within(keys.key(columns, None), there))
        return bad

    def _from(self, query: exp.Select, relation: str, ctx: RuleContext) -> exp.Select:
        query = query.from_(exp.table_(relation, quoted=True))
        return query.where(condition(self.where, ctx)) if self.where is not None else query

    def _select(self, relation: str, ctx: RuleContext) -> exp.Select:
        return keys.select(self.columns_used, relation, ctx, self.where)

    def own_fixes(self) -> tuple[Fix, ...]:
        from sluiceway.rules.fixes.registry import parse_fixes

        return parse_fixes("deduplicate")

    def explanation(self) -> str:
        place = "the batch" if self.scope == "batch" else "the table"
        return f"{', '.join(self.columns_used)} must be unique in {place}"


def _as(value: exp.Expr, name: str) -> exp.Expr:
    aliased: exp.Expr = exp.alias_(value, name, quoted=True)
    return aliased
