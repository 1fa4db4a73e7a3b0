"""``repair``: what the rule ``type`` wants, by the fix of that type."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sqlglot import exp

from sluiceway.errors import PlanError
from sluiceway.rules.fixes.base import Fix, duck, stripped
from sluiceway.rules.fixes.boolean import Boolean
from sluiceway.rules.fixes.date import Date
from sluiceway.rules.fixes.number import Number

if TYPE_CHECKING:
    from sluiceway.rules.base import Rule, RuleContext
    from sluiceway.schema import Column

__all__ = ["Repair"]

_BY_TYPE: dict[str, type[Fix]] = {
    "integer": Number, "decimal": Number, "boolean": Boolean, "date": Date, "timestamp": Date,
}  # fmt: skip


class Repair(Fix):
    """The fix number, boolean or date with its defaults, as the rule's type asks; a UUID without its hyphens,
    or in braces, in its usual form."""

    kind: ClassVar[str] = "repair"
    example: ClassVar[str] = "{type: {column: quantity, type: integer}, on_fail: fix}"

    def validate_for(self, rule: Rule, judged: Column, ctx: RuleContext) -> None:
        super().validate_for(rule, judged, ctx)
        wanted = getattr(rule, "type", None)
        if rule.kind != "type" or not (wanted == "uuid" or wanted in _BY_TYPE):
            raise PlanError(
                f"repair does not know how to make '{judged.name}' pass {rule.default_id()}",
                where=ctx.where,
                hint="name a fix, such as fix: trim, or use on_fail: quarantine",
            )

    def expression(self, value: exp.Expr, rule: Rule, judged: Column, ctx: RuleContext) -> exp.Expr:
        wanted = str(getattr(rule, "type", ""))
        if wanted != "uuid":
            return _BY_TYPE[wanted].model_validate({}).expression(value, rule, judged, ctx)
        groups = "([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})"
        return duck(
            "regexp_replace(lower(:x), :p, :b)", x=stripped(value),
            p=exp.Literal.string(f"^[{{]?{groups}[}}]?$"), b=exp.Literal.string(r"\1-\2-\3-\4-\5"),
        )  # fmt: skip
