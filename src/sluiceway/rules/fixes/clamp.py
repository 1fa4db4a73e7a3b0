"""``clamp``: a value beyond a bound becomes the bound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from sqlglot import exp

from sluiceway.errors import PlanError
from sluiceway.rules.fixes.base import Fix
from sluiceway.rules.params import NUMBERS, TIMES, typed

if TYPE_CHECKING:
    from sluiceway.rules.base import Rule, RuleContext
    from sluiceway.schema import Column

__all__ = ["Clamp"]


class Clamp(Fix):
    """The nearest value that the rule ``range`` lets through. Of whole numbers the one beside an exclusive
    bound; of others there is no nearest, so their bounds must be ``min`` and ``max``. NaN is left to fail."""

    kind: ClassVar[str] = "clamp"
    families: ClassVar[frozenset[str] | None] = NUMBERS | TIMES | {"time"}
    example: ClassVar[str] = "{range: {column: discount, min: 0, max: 100}, on_fail: fix}"

    def validate_for(self, rule: Rule, judged: Column, ctx: RuleContext) -> None:
        super().validate_for(rule, judged, ctx)
        if rule.kind != "range":
            raise PlanError(
                f"clamp puts values into a range, and {rule.kind} has none",
                where=ctx.where,
                hint="write it at a range rule",
            )
        exclusive = [key for key in ("min_exclusive", "max_exclusive") if getattr(rule, key) is not None]
        if exclusive and judged.family != "integer":
            raise PlanError(
                f"no value of '{judged.name}' ({judged.type}) is the nearest one beyond {exclusive[0]}",
                where=ctx.where,
                hint="use min and max, or on_fail: quarantine",
            )

    def expression(self, value: exp.Expr, rule: Rule, judged: Column, ctx: RuleContext) -> exp.Expr:
        case = exp.Case(default=value.copy())
        bounds: tuple[tuple[str, type[exp.Binary], int], ...] = (
            ("min", exp.LT, 0),
            ("min_exclusive", exp.LTE, 1),
            ("max", exp.GT, 0),
            ("max_exclusive", exp.GTE, -1),
        )
        wrong: exp.Expr | None = None
        if judged.family == "float":
            from sluiceway.sql.primitives import call

            wrong = call("is_nan", value.copy())
            case = case.when(wrong, value.copy())
        for key, beyond, step in bounds:
            bound: Any = getattr(rule, key)
            if bound is None:
                continue
            _, limit = typed(bound, judged, ctx, key)
            nearest = typed(int(bound) + step, judged, ctx, key)[1] if step else limit.copy()
            case = case.when(beyond(this=value.copy(), expression=limit), nearest)
        return case
