"""``unicode``: one way to write a character, and none that nobody sees."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sqlglot import exp

from sluiceway.rules.fixes.base import Fix, duck
from sluiceway.sql.primitives import call

if TYPE_CHECKING:
    from sluiceway.rules.base import Rule, RuleContext
    from sluiceway.schema import Column

__all__ = ["Unicode"]

_SPACES = "[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]"
_UNSEEN = (
    r"[\x01-\x08\x0B\x0C\x0E-\x1F\x7F]",
    "[\u0080-\u009f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]",
)


class Unicode(Fix):
    """Composes characters (normalisation form C, Unicode Annex 15), makes the spaces of other widths, and
    those that don't break, into blanks, and takes away control characters (but tabs and line ends), soft
    hyphens, marks of direction and characters without a width. The joiners U+200C and U+200D stay: words
    and emoji are written with them."""

    kind: ClassVar[str] = "unicode"
    example: ClassVar[str] = (
        "{pattern: {column: name, regex: '[A-Za-zÀ-ÿ ]+'}, on_fail: fix, fix: [unicode, trim]}"
    )

    def expression(self, value: exp.Expr, rule: Rule, judged: Column, ctx: RuleContext) -> exp.Expr:
        spaced = duck("regexp_replace(:x, :p, ' ', 'g')", x=value, p=exp.Literal.string(_SPACES))
        for unseen in _UNSEEN:
            spaced = duck("regexp_replace(:x, :p, '', 'g')", x=spaced, p=exp.Literal.string(unseen))
        return call("nfc", spaced)
