"""``type``: text that can be read as a type."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from sqlglot import exp

from sluiceway.errors import PlanError
from sluiceway.rules.base import Dimension, RuleContext, column
from sluiceway.rules.params import ColumnRule
from sluiceway.sql.primitives import call

if TYPE_CHECKING:
    from sluiceway.rules.fixes.base import Fix

__all__ = ["TypeRule"]

Readable = Literal["integer", "decimal", "boolean", "date", "time", "timestamp", "uuid", "json"]

_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]{1,9})?)?"
# Engines' casts differ ('1.5' as an integer, '2024-2-3' as a date), so the shape is ours and the cast
# only says whether the value exists and fits.
_SHAPES: dict[str, tuple[str, str | None]] = {
    "integer": ("[+-]?[0-9]+", "BIGINT"),
    "decimal": (r"[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]+)?", "DOUBLE"),
    "boolean": ("(?i)(true|false|t|f|yes|no|y|n|1|0)", None),
    "date": ("[0-9]{4}-[0-9]{2}-[0-9]{2}", "DATE"),
    "time": (_TIME, None),
    "timestamp": (rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[T ]{_TIME}(Z|[+-][0-9]{{2}}(:?[0-9]{{2}})?)?", None),
    "uuid": ("[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}", None),
}
_ALREADY: dict[str, frozenset[str]] = {
    "integer": frozenset({"integer"}),
    "decimal": frozenset({"integer", "decimal", "float"}),
    "boolean": frozenset({"boolean"}),
    "date": frozenset({"date"}),
    "time": frozenset({"time"}),
    "timestamp": frozenset({"timestamp", "timestamptz"}),
    "uuid": frozenset({"uuid"}),
    "json": frozenset({"json"}),
}


class TypeRule(ColumnRule):
    """Every text can be read as a type, in its ISO form, without blanks around it. NULL passes; empty
    text doesn't. ``integer`` fits 64 bits, ``decimal`` is any finite number, ``boolean`` is true,
    false, t, f, yes, no, y, n, 1 or 0, ``timestamp`` may end in an offset. A column that has the type
    already passes.

    >>> (rule,) = TypeRule.parse({"column": "qty", "type": "integer"}, {})
    >>> from sluiceway.errors import Where
    >>> from sluiceway.schema import Schema
    >>> rule.failing(RuleContext(Schema.of({"qty": "INTEGER"}), Where())).sql("duckdb")
    'FALSE'
    """

    kind: ClassVar[str] = "type"
    default_dimension: ClassVar[Dimension] = "accuracy"
    examples: ClassVar[tuple[str, ...]] = ("type: {column: quantity, type: integer}",)

    type: Readable = Field(description="what the text must be readable as")

    def _has_type(self, ctx: RuleContext) -> bool:
        return ctx.schema[self.column].family in _ALREADY[self.type]

    def validate_for(self, ctx: RuleContext) -> None:
        super().validate_for(ctx)
        judged = ctx.schema[self.column]
        if judged.family != "text" and not self._has_type(ctx):
            raise PlanError(
                f"column '{judged.name}' is {judged.type}, not text that could be {self.type}",
                where=ctx.where,
                hint="type judges text columns; to pin a column's type use the schema rule",
            )

    def failing(self, ctx: RuleContext) -> exp.Expr:
        if self._has_type(ctx):
            return exp.false()
        text = column(self.column)
        if self.type == "json":
            return exp.not_(call("is_json", text))
        shape, cast = _SHAPES[self.type]
        right = call("matches", text, shape)
        if self.type == "timestamp":
            value = call("try_cast", call("substring", text.copy(), 1, 10), "DATE")
        elif cast is None:
            return exp.not_(right)
        else:
            value = call("try_cast", text.copy(), cast)
        fits: exp.Expr = exp.not_(value.is_(exp.null()))
        if self.type == "decimal":  # 1e999 overflows to infinity
            fits = exp.func("COALESCE", call("is_finite", value.copy()), exp.false())
        given = exp.not_(text.copy().is_(exp.null()))
        return exp.and_(given, exp.not_(exp.paren(exp.and_(right, fits))))

    def own_fixes(self) -> tuple[Fix, ...]:
        from sluiceway.rules.fixes.registry import parse_fixes

        return () if self.type in ("json", "time") else parse_fixes("repair")

    def explanation(self) -> str:
        return f"{self.column} must be readable as {self.type}"
