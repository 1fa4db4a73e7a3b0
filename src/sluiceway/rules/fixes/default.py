"""``default``: a value in place of one that is wrong or missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from sluiceway.rules.fixes.base import Fix
from sluiceway.rules.params import typed

if TYPE_CHECKING:
    from sqlglot import exp

    from sluiceway.rules.base import Rule, RuleContext
    from sluiceway.schema import Column

__all__ = ["Default"]


class Default(Fix):
    """One value, of the column's type. ``fix: {default: unknown}`` is short for it.

    >>> Default.shorthand(0)
    {'value': 0}
    """

    kind: ClassVar[str] = "default"
    families: ClassVar[frozenset[str] | None] = None
    example: ClassVar[str] = "{not_null: country, on_fail: fix, fix: {default: unknown}}"

    value: Any = Field(description="the value, of the column's type")

    @classmethod
    def shorthand(cls, value: Any) -> dict[str, Any]:
        return {"value": value}

    def validate_for(self, rule: Rule, judged: Column, ctx: RuleContext) -> None:
        super().validate_for(rule, judged, ctx)
        typed(self.value, judged, ctx, "default")

    def expression(self, value: exp.Expr, rule: Rule, judged: Column, ctx: RuleContext) -> exp.Expr:
        return typed(self.value, judged, ctx, "default")[1]
