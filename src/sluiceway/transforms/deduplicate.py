"""``deduplicate``: one row a key."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal

from pydantic import Field, model_validator
from sqlglot import exp

from sluiceway.transforms.base import Step, StepContext
from sluiceway.transforms.common import CURRENT, as_list, col, current

__all__ = ["ROW", "Deduplicate"]

ROW = "_sluiceway_row"
"""The number of a spooled row, where ``compile_losers`` reads it."""
ROW = "_sluiceway_row"
"""The number of a spooled row, where ``compile_losers`` reads it."""
_KEYS, _RANKED, _TIED, _LOST = "_repeated", "_ranked", "_tied", "_lost"
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
        query = exp.select(*_cols(ctx.schema.names)).from_(current(ctx))
        query.set("qualify", exp.Qualify(this=condition))
        return query

    def compile_antijoin(self, ctx: StepContext) -> exp.Query:
        """The same rows by finding the keys that repeat first: three scans, memory grows only with
        the rows of repeated keys. The better choice for large tables that can be read again."""
        self._check(ctx)
        names, source = ctx.schema.names, current(ctx)
        single = exp.select(*_cols(names)).from_(source.copy()).join(self._on_key(_KEYS, "ANTI"))
        numbered = self._of(_KEYS, source, *_cols(names), exp.alias_(self._number(ctx), _NUMBER))
        winners = exp.select(*_cols(names)).from_(numbered.subquery(CURRENT)).where(_is(exp.EQ))
        whole = exp.union(single, winners, distinct=False, copy=False)
        return whole.with_(_KEYS, as_=self._repeated(source), materialized=True)

    def compile_losers(self, ctx: StepContext, rows: str) -> exp.Query:
        """The same rows by taking the losers away: of the rows of repeated keys only ``key`` and ``by``
        are sorted, and whole rows only of the keys whose first rows tie in these.

        Args:
            rows: the relation that holds the rows of ``current`` with their numbers, as ``ROW``.
        """
        self._check(ctx)
        source = _as_current(rows)
        ctes, lost, contested = [(_KEYS, self._repeated(source))], [], _KEYS
        if self.by:
            rank = exp.alias_(self._window(exp.Rank(), as_list(self.by)), _NUMBER)
            ctes.append((_RANKED, self._of(_KEYS, source, col(ROW), *_cols(as_list(self.key)), rank)))
            ctes.append((_TIED, self._repeated(_as_current(_RANKED)).where(_is(exp.EQ))))
            lost.append(exp.select(col(ROW)).from_(_as_current(_RANKED)).where(_is(exp.GT)))
            contested = _TIED
        numbered = self._of(contested, source, col(ROW), exp.alias_(self._number(ctx), _NUMBER))
        lost.append(exp.select(col(ROW)).from_(numbered.subquery(CURRENT)).where(_is(exp.GT)))
        losers = lost[0] if len(lost) == 1 else exp.union(*lost, distinct=False)
        on = exp.EQ(this=col(ROW), expression=col(ROW, _LOST))
        query = exp.select(*_cols(ctx.schema.names)).from_(source.copy())
        query = query.join(exp.Join(this=losers.subquery(_LOST), kind="ANTI", on=on))
        for name, body in ctes:
            query = query.with_(name, as_=body, materialized=True)
        return query

    def _check(self, ctx: StepContext) -> None:
        ctx.schema.require([*as_list(self.key), *as_list(self.by)], ctx.where)

    def _repeated(self, source: exp.Expr) -> exp.Select:
        """The keys of several rows."""
        key = _cols(as_list(self.key))
        query = exp.select(*key).from_(source.copy()).where(*[exp.not_(c.is_(exp.null())) for c in key])
        return query.group_by(*key).having(exp.Count(this=exp.Star()) > 1)

    def _of(self, keys: str, source: exp.Expr, *columns: exp.Expr) -> exp.Select:
        """``columns`` of the rows whose key is among ``keys``."""
        return exp.select(*columns).from_(source.copy()).join(self._on_key(keys, "SEMI"))

    def _on_key(self, keys: str, kind: str) -> exp.Join:
        on = exp.and_(*[exp.EQ(this=col(n), expression=col(n, keys)) for n in as_list(self.key)])
        return exp.Join(this=exp.to_table(keys), kind=kind, on=on)

    def _number(self, ctx: StepContext) -> exp.Window:
        """Of a row among those of its key: by all columns, so that no two rows are equal but copies."""
        named = {n.casefold() for n in (*as_list(self.by), *as_list(self.key))}
        rest = [n for n in ctx.schema.names if n.casefold() not in named]
        return self._window(exp.RowNumber(), [*as_list(self.by), *rest])

    def _window(self, function: exp.Expr, by: list[str]) -> exp.Window:
        newest_first = self.keep in ("latest", "last")
        terms = [exp.Ordered(this=col(n), desc=newest_first, nulls_first=False) for n in by]
        return exp.Window(
            this=function,
            partition_by=_cols(as_list(self.key)),
            order=exp.Order(expressions=terms) if terms else None,
        )


def _cols(names: Iterable[str]) -> list[exp.Expr]:
    return [col(name) for name in names]


def _as_current(relation: str) -> exp.Expr:
    return exp.alias_(exp.table_(relation, quoted=True), CURRENT, table=True)


def _is(comparison: type[exp.Binary]) -> exp.Expr:
    """The number of a row, compared with 1."""
    return comparison(this=col(_NUMBER), expression=exp.Literal.number(1))
