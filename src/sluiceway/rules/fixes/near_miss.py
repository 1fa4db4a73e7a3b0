"""``near_miss``: the accepted value that was meant."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field
from sqlglot import exp

from sluiceway.errors import PlanError
from sluiceway.rules.fixes.base import BLANKS, Fix, squeezed
from sluiceway.sql.primitives import call

if TYPE_CHECKING:
    from sluiceway.rules.base import Rule, RuleContext
    from sluiceway.schema import Column

__all__ = ["NearMiss"]

_MOST = 100
"""Values for which edit distances are asked: two a value and row that fails."""


class NearMiss(Fix):
    """The one value of ``accepted_values`` that differs from what is there only in case, blanks, hyphens and
    underscores; else the one that lies within an edit distance (Levenshtein 1966) of 2, of 1 for values of 4
    letters, of 0 for shorter ones. Where two values are that near, none is taken. Distances are of ASCII
    text; where an engine has none of its own, write ``distance: 0``.

    >>> NearMiss.shorthand(1)
    {'distance': 1}
    """

    kind: ClassVar[str] = "near_miss"
    example: ClassVar[str] = "{accepted_values: {column: status, values: [paid, shipped]}, on_fail: fix}"

    distance: int | None = Field(None, ge=0, le=3, description="edits at most, for values of any length")

    @classmethod
    def shorthand(cls, value: Any) -> dict[str, Any]:
        return {"distance": value}

    def validate_for(self, rule: Rule, judged: Column, ctx: RuleContext) -> None:
        super().validate_for(rule, judged, ctx)
        if rule.kind != "accepted_values":
            raise PlanError(
                f"near_miss looks for accepted values, and {rule.kind} has none",
                where=ctx.where,
                hint="write it at an accepted_values rule",
            )
        if self.distance and len(getattr(rule, "values", ())) > _MOST:
            raise PlanError(
                f"edit distances are asked of {_MOST} values at most",
                where=ctx.where,
                hint="write fix: {near_miss: {distance: 0}}: case and blanks alone",
            )

    def _edits(self, text: str) -> int:
        if self.distance is not None:
            return self.distance
        return 2 if len(text) > 4 else 1 if len(text) == 4 else 0

    def expression(self, value: exp.Expr, rule: Rule, judged: Column, ctx: RuleContext) -> exp.Expr:
        values = [str(v) for v in getattr(rule, "values", ())]
        forms: dict[str, list[str]] = {}
        for text in values:
            forms.setdefault(_squeezed(text), []).append(text)
        bare = squeezed(value)
        case = exp.Case(default=exp.null())
        for form, of in forms.items():
            same = exp.EQ(this=bare.copy(), expression=exp.Literal.string(form))
            case = case.when(same, exp.Literal.string(of[0]) if len(of) == 1 else exp.null())
        far = self._far(bare, {form: of[0] for form, of in forms.items() if len(of) == 1})
        if far is not None:
            case.set("default", far)
        return case

    def _far(self, bare: exp.Expr, forms: dict[str, str]) -> exp.Expr | None:
        """The one value within its distance."""
        near = {
            text: exp.LTE(
                this=call("edit_distance", bare.copy(), form),
                expression=exp.Literal.number(self._edits(form)),
            )
            for form, text in forms.items()
            if self._edits(form) and form.isascii()
        }
        if not near or len(near) > _MOST:
            return None
        zero, one = exp.Literal.number(0), exp.Literal.number(1)
        counts: list[exp.Expr] = []
        found = exp.Case(default=exp.null())
        for text, is_near in near.items():
            counts.append(exp.Case(default=zero.copy()).when(is_near.copy(), one.copy()))
            found = found.when(is_near.copy(), exp.Literal.string(text))
        counted = counts[0]
        for one_more in counts[1:]:
            counted = exp.Add(this=counted, expression=one_more)
        ascii_ = call("matches", bare.copy(), "[ -~]*")
        only = exp.EQ(this=exp.paren(counted), expression=one)
        return exp.Case(default=exp.null()).when(ascii_, exp.Case(default=exp.null()).when(only, found))


def _squeezed(text: str) -> str:
    """As ``squeezed`` does it in SQL.

    >>> _squeezed(" In_Transit ")
    'in transit'
    """
    return re.sub(f"[{BLANKS}_-]+", " ", text.lower()).strip(" ")
