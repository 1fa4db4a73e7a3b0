"""``trim``: white space at both ends goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sluiceway.rules.fixes.base import Fix, stripped

if TYPE_CHECKING:
    from sqlglot import exp

    from sluiceway.rules.base import Rule, RuleContext
    from sluiceway.schema import Column

__all__ = ["Trim"]


class Trim(Fix):
    """Takes white space away at both ends, that of Unicode too (White_Space of its character database).

    >>> Trim().said()
    'trim'
    """

    kind: ClassVar[str] = "trim"
    example: ClassVar[str] = (
        "{pattern: {column: sku, regex: '[A-Z]{2}-[0-9]+'}, on_fail: fix, fix: [trim, upper]}"
    )

    def expression(self, value: exp.Expr, rule: Rule, judged: Column, ctx: RuleContext) -> exp.Expr:
        return stripped(value)
