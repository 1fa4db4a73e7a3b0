"""``deduplicate``: one row a key."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator
from sqlglot import exp

from sluiceway.transforms.base import Step, StepContext
from sluiceway.transforms.common import CURRENT, as_list, col, current

__all__ = ["Deduplicate"]

_KEYS = "_repeated"
_NUMBER = "_sluiceway_n"


class Deduplicate(Step):
    """Keeps one row a key: the latest or the earliest ``by`` some columns. Rows that tie are told apart
    by all their columns, so a rerun keeps the same ones. NULL in ``by`` loses. A row with NULL in its
    key is not compared and stays, as in ``unique``. ``last`` and ``first`` say the same as ``latest``
    and ``earliest``.

    .. code-block:: yaml

        - deduplicate: {key: order_id, keep: latest, by: updated_at}
    """

    kind: ClassVar[str] = "deduplicate"
    row_wise: ClassVar[bool] = False

    key: str | tuple[str, ...] = Field(description="the column or columns that tell rows apart")
    keep: Literal["latest", "earliest", "last", "first"] = Field("latest", description="the row that stays")
    by: str | tuple[str, ...] | None = Field(None, description="what orders the rows of a key")

    @classmethod
    def shorthand(cls) -> str:
        return "key"

    @model_validator(mode="after")
    def _key(self) -> Deduplicate:
        if not as_list(self.key):
            raise ValueError("deduplicate needs a key")
        return self

    def compile(self, ctx: StepContext) -> exp.Query:
        """By a window: one scan, memory grows with the rows."""
        self._check(ctx)
        condition = exp.or_(
            exp.EQ(this=self._number(ctx), expression=exp.Literal.number(1)),
            *[col(name).is_(exp.null()) for name in as_list(self.key)],
        )
        query = exp.select(*[col(n) for n in ctx.schema.names]).from_(current(ctx))
        query.set("qualify", exp.Qualify(this=condition))
        return query

    def compile_antijoin(self, ctx: StepContext) -> exp.Query:
        """The same rows by finding the keys that repeat first: three scans, memory grows only with
        the rows of repeated keys. The better choice for large tables that can be read again."""
        self._check(ctx)
        names, key = ctx.schema.names, as_list(self.key)
        repeated = (
            exp.select(*[col(n) for n in key])
            .from_(current(ctx))
            .where(*[exp.not_(col(n).is_(exp.null())) for n in key])
            .group_by(*[col(n) for n in key])
            .having(exp.Count(this=exp.Star()) > 1)
        )
        single = exp.select(*[col(n) for n in names]).from_(current(ctx)).join(self._repeated(key, "ANTI"))
        numbered = (
            exp.select(*[col(n) for n in names], exp.alias_(self._number(ctx), _NUMBER))
            .from_(current(ctx))
            .join(self._repeated(key, "SEMI"))
        )
        winners = (
            exp.select(*[col(n) for n in names])
            .from_(numbered.subquery(CURRENT))
            .where(exp.EQ(this=exp.column(_NUMBER, CURRENT), expression=exp.Literal.number(1)))
        )
        whole = exp.union(single, winners, distinct=False, copy=False)
        return whole.with_(_KEYS, as_=repeated, materialized=True)

    def _check(self, ctx: StepContext) -> None:
        ctx.schema.require([*as_list(self.key), *as_list(self.by)], ctx.where)

    def _repeated(self, key: list[str], kind: str) -> exp.Join:
        on = exp.and_(*[exp.EQ(this=col(n), expression=col(n, _KEYS)) for n in key])
        return exp.Join(this=exp.to_table(_KEYS), kind=kind, on=on)

    def _number(self, ctx: StepContext) -> exp.Window:
        newest_first = self.keep in ("latest", "last")
        by = as_list(self.by)
        named = {n.casefold() for n in (*by, *as_list(self.key))}
        rest = [n for n in ctx.schema.names if n.casefold() not in named]
        terms = [exp.Ordered(this=col(n), desc=newest_first, nulls_first=False) for n in (*by, *rest)]
        return exp.Window(
            this=exp.RowNumber(),
            partition_by=[col(n) for n in as_list(self.key)],
            order=exp.Order(expressions=terms) if terms else None,
        )
