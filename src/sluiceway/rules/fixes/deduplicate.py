"""``deduplicate``: of the rows of a key one stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from sqlglot import exp

from sluiceway.errors import PlanError
from sluiceway.rules import keys
from sluiceway.rules.base import column
from sluiceway.rules.fixes.base import Fix

if TYPE_CHECKING:
    from sluiceway.rules.base import Rule, RuleContext
    from sluiceway.schema import Column

__all__ = ["Deduplicate"]


class Deduplicate(Fix):
    """Keeps one row a key; the others go to quarantine, so that no row is lost. Only rows that no other rule
    turns away take part: a row that is wrong never wins. Rows that tie in ``by`` are told apart by all their
    columns, so that a rerun keeps the same ones. A key that the table has already is no duplicate of the
    batch: its rows fail the rule and go to quarantine."""

    kind: ClassVar[str] = "deduplicate"
    families: ClassVar[frozenset[str] | None] = None
    example: ClassVar[str] = (
        "{unique: order_id, on_fail: fix, fix: {deduplicate: {keep: latest, by: updated_at}}}"
    )

    keep: Literal["latest", "earliest"] = Field(
        "latest", description="the row that stays: latest or earliest"
    )
    by: str | tuple[str, ...] | None = Field(None, description="what orders the rows of a key")

    def validate_for(self, rule: Rule, judged: Column, ctx: RuleContext) -> None:
        if rule.kind != "unique":
            raise PlanError(
                f"deduplicate keeps one row a key, and {rule.kind} has no key",
                where=ctx.where,
                hint="write it at a unique rule",
            )
        ctx.schema.require(self._by(), ctx.where)

    def _by(self) -> tuple[str, ...]:
        return keys.names(self.by) if self.by is not None else ()

    def windows(self, rule: Rule, eligible: str, ctx: RuleContext) -> tuple[exp.Expr, exp.Expr]:
        """(the number of the row among those of its key, how many these are), among the rows for which the
        column ``eligible`` is TRUE."""
        parts = [column(eligible), *(column(name) for name in rule.columns_used)]
        named = {name.casefold() for name in (*self._by(), *rule.columns_used)}
        order = [*self._by(), *(n for n in ctx.schema.names if n.casefold() not in named)]
        terms = [
            exp.Ordered(this=column(n), desc=self.keep == "latest", nulls_first=False)
            for n in order
            if n in self._by() or ctx.schema[n].family not in ("nested", "json", "unknown")
        ]
        number = exp.Window(
            this=exp.RowNumber(),
            partition_by=[part.copy() for part in parts],
            order=exp.Order(expressions=terms) if terms else None,
        )
        count = exp.Window(this=exp.Count(this=exp.Star()), partition_by=parts)
        return number, count

    def said(self) -> str:
        return f"keep {self.keep}"
