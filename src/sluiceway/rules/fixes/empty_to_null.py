"""``empty_to_null``: text that says nothing becomes NULL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field
from sqlglot import exp

from sluiceway.rules.fixes.base import Fix, duck, stripped

if TYPE_CHECKING:
    from sluiceway.rules.base import Rule, RuleContext
    from sluiceway.schema import Column

__all__ = ["EmptyToNull"]


class EmptyToNull(Fix):
    """Empty or blank text becomes NULL; so do the texts of ``also`` (``n/a``, ``-``), whatever their case. A
    NULL passes every rule but not_null."""

    kind: ClassVar[str] = "empty_to_null"
    gives_null: ClassVar[bool] = True
    example: ClassVar[str] = (
        "{pattern: {column: email, format: email}, on_fail: fix, fix: {empty_to_null: {also: [n/a, none]}}}"
    )

    also: tuple[str, ...] = Field((), description="texts that mean nothing too, in any case")

    @classmethod
    def shorthand(cls, value: Any) -> dict[str, Any]:
        return {"also": value if isinstance(value, list) else [value]}

    def expression(self, value: exp.Expr, rule: Rule, judged: Column, ctx: RuleContext) -> exp.Expr:
        texts = sorted({"", *(text.strip().lower() for text in self.also)})
        bare = duck("lower(:x)", x=stripped(value.copy()))
        empty = exp.In(this=bare, expressions=[exp.Literal.string(text) for text in texts])
        return exp.Case(default=value.copy()).when(empty, exp.null())
