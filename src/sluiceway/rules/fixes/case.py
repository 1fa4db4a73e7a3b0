"""``lower``, ``upper``, ``title``: the case of letters."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sluiceway.rules.fixes.base import Fix, duck
from sluiceway.sql.primitives import call

if TYPE_CHECKING:
    from sqlglot import exp

    from sluiceway.rules.base import Rule, RuleContext
    from sluiceway.schema import Column

__all__ = ["Lower", "Title", "Upper"]


class Lower(Fix):
    """All letters small."""

    kind: ClassVar[str] = "lower"
    example: ClassVar[str] = "{pattern: {column: email, regex: '[^A-Z]+'}, on_fail: fix, fix: lower}"

    def expression(self, value: exp.Expr, rule: Rule, judged: Column, ctx: RuleContext) -> exp.Expr:
        return duck("lower(:x)", x=value)


class Upper(Fix):
    """All letters capital."""

    kind: ClassVar[str] = "upper"
    example: ClassVar[str] = "{pattern: {column: sku, regex: '[A-Z]+'}, on_fail: fix, fix: upper}"

    def expression(self, value: exp.Expr, rule: Rule, judged: Column, ctx: RuleContext) -> exp.Expr:
        return duck("upper(:x)", x=value)


class Title(Fix):
    """The first letter of each word capital, the others small; words are apart by blanks alone, so that
    O'Neill becomes O'neill: it suits labels better than people's names."""

    kind: ClassVar[str] = "title"
    example: ClassVar[str] = (
        "{pattern: {column: city, regex: '([A-Z][a-z]* ?)+'}, on_fail: fix, fix: [trim, title]}"
    )

    def expression(self, value: exp.Expr, rule: Rule, judged: Column, ctx: RuleContext) -> exp.Expr:
        return call("title", duck("lower(:x)", x=value))
