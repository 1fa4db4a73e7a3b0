"""``number``: text as people write numbers, as a number that casts."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from sqlglot import exp

from sluiceway.rules.fixes.base import BLANKS, Fix, duck, stripped
from sluiceway.sql.primitives import call

if TYPE_CHECKING:
    from sluiceway.rules.base import Rule, RuleContext
    from sluiceway.schema import Column

__all__ = ["Number"]

_SIGNS = "€$£¥₹"
_APART = f"{BLANKS}'’_"


class Number(Fix):
    """``€ 1,234.50``, ``(12)``, ``12-`` or ``1 234`` as ``1234.50``, ``-12`` and so on. Digits are grouped by
    three or not at all: ``1,23`` is no guess that is made. ``decimal`` says what parts the whole from the
    rest; the other of the two groups. A share (``5%``) or a unit (``5 kg``) is not a number.

    >>> Number(decimal=",").said()
    'number'
    """

    kind: ClassVar[str] = "number"
    example: ClassVar[str] = (
        "{type: {column: price, type: decimal}, on_fail: fix, fix: {number: {decimal: ','}}}"
    )

    decimal: Literal[".", ","] = Field(".", description="the decimal mark: . or ,")

    def expression(self, value: exp.Expr, rule: Rule, judged: Column, ctx: RuleContext) -> exp.Expr:
        mark, group = ("[.]", ",") if self.decimal == "." else (",", ".")
        bare = duck("replace(:x, '−', '-')", x=stripped(value))
        for pattern, by in (
            (f"^([+-]?)[{_SIGNS}][{BLANKS}]*", "\\1"),
            (f"[{BLANKS}]*[{_SIGNS}]$", ""),
            (f"^[(][{_SIGNS}]?(.*)[)]$", "-\\1"),
            ("^([0-9].*)-$", "-\\1"),
        ):
            bare = _replaced(bare, pattern, by)
        apart = f"[{group}{_APART}]"
        shape = f"[+-]?([0-9]+|[0-9]{{1,3}}({apart}[0-9]{{3}})+)({mark}[0-9]*)?"
        digits = _replaced(bare.copy(), apart, "", everywhere=True)
        if self.decimal == ",":
            digits = duck("replace(:x, ',', '.')", x=digits)
        if getattr(rule, "type", "") == "integer":  # 12.00 is a whole number, 12.5 is none
            digits = _replaced(digits, "[.]0*$", "")
        return exp.Case(default=exp.null()).when(call("matches", bare, shape), digits)


def _replaced(text: exp.Expr, pattern: str, by: str, *, everywhere: bool = False) -> exp.Expr:
    options = exp.Literal.string("g" if everywhere else "")
    p, b = exp.Literal.string(pattern), exp.Literal.string(by)
    if not everywhere:
        return duck("regexp_replace(:x, :p, :b)", x=text, p=p, b=b)
    return duck("regexp_replace(:x, :p, :b, :o)", x=text, p=p, b=b, o=options)
