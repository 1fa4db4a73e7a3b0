"""``boolean``: words that say yes or no, as true or false."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, model_validator
from sqlglot import exp

from sluiceway.rules.fixes.base import Fix, squeezed

if TYPE_CHECKING:
    from sluiceway.rules.base import Rule, RuleContext
    from sluiceway.schema import Column

__all__ = ["Boolean"]

_YES = ("true", "t", "yes", "y", "1", "1.0", "on", "enabled", "active")
_NO = ("false", "f", "no", "n", "0", "0.0", "off", "disabled", "inactive")


class Boolean(Fix):
    """``on``, ``Enabled`` or ``YES `` as ``true``, their opposites as ``false``; words of other languages by
    ``yes`` and ``no``.

    >>> Boolean.model_validate({"yes": ["ja"], "no": ["nee"]}).yes
    ('ja',)
    """

    kind: ClassVar[str] = "boolean"
    example: ClassVar[str] = (
        "{type: {column: active, type: boolean}, on_fail: fix, fix: {boolean: {yes: [ja], no: [nee]}}}"
    )

    yes: tuple[str, ...] = Field((), description="more words for true")
    no: tuple[str, ...] = Field((), description="more words for false")

    @model_validator(mode="after")
    def _apart(self) -> Boolean:
        both = {w.lower() for w in (*_YES, *self.yes)} & {w.lower() for w in (*_NO, *self.no)}
        if both:
            raise ValueError(f"'{min(both)}' can't mean both yes and no")
        return self

    def expression(self, value: exp.Expr, rule: Rule, judged: Column, ctx: RuleContext) -> exp.Expr:
        word = squeezed(value)
        case = exp.Case(default=exp.null())
        for texts, answer in (((*_YES, *self.yes), "true"), ((*_NO, *self.no), "false")):
            listed = [exp.Literal.string(t) for t in sorted({text.lower() for text in texts})]
            case = case.when(exp.In(this=word.copy(), expressions=listed), exp.Literal.string(answer))
        return case
