"""Literals, casts, and what is known before a run: DuckDB computes it, the engine gets the value."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from sluiceway.errors import PlanError
from sluiceway.schema import family
from sluiceway.sql.emit.template import fill
from sluiceway.sql.scopes import type_of
from sluiceway.sql.typing import value_of

if TYPE_CHECKING:
    from sluiceway.sql.rewrite.context import Context, Rewrite

__all__ = ["CONSTANTS", "constant", "folded"]

_FLOATS = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def constant(ctx: Context, literal: Any, to: str) -> Any:
    """A constant expression of DuckDB's as a literal of type ``to``.

    Raises:
        PlanError: DuckDB can't make it that type, or the engine has no such literal.
    """
    try:
        text = value_of(literal, to)
    except PlanError as error:
        raise ctx.refuse(
            literal, f"it is not a {to} ({error.message}), so it can't run on", "mend it"
        ) from None
    return ctx.typed(_literal(ctx, literal, text, to), to)


def _literal(ctx: Context, node: Any, text: str | None, to: str) -> Any:
    if text is None:
        return fill(ctx.dialect, f"CAST(NULL AS {ctx.spelled(to)})")
    group = family(to)
    if group == "text":
        return exp.Literal.string(text)
    if group == "boolean":
        return exp.true() if text == "true" else exp.false()
    if group in ("integer", "decimal") and to != "HUGEINT" and re.fullmatch(r"-?\d+(\.\d+)?", text):
        number = exp.Literal.number(text.removeprefix("-"))
        value: Any = exp.Neg(this=number) if text.startswith("-") else number
        return fill(ctx.dialect, f"CAST(:x AS {ctx.spelled(to)})", x=value)
    if group in ("blob", "nested", "interval", "time", "unknown") and not (
        group == "time" and ctx.dialect == "postgres"
    ):
        raise ctx.refuse(node, f"a {to} can't be written out on", "derive it in a step before")
    if text.endswith("(BC)") or text in ("infinity", "-infinity"):
        raise ctx.refuse(node, "such a date can't be written out on", "use a date from year 1 to 9999")
    shown = exp.Literal.string(_FLOATS.get(text, text) if group == "float" else text)
    return fill(ctx.dialect, f"CAST(:x AS {ctx.spelled(to)})", x=shown)


def folded(ctx: Context, node: Any) -> Any:
    """The value of an expression without columns; None where it has some, or none that can be written."""
    known = type_of(node)
    changing = (exp.Column, exp.Query, exp.Placeholder, exp.AggFunc, exp.Window, exp.Star, exp.Interval)
    if known is None or any(isinstance(n, changing) for n in node.walk()):
        return None
    try:
        return constant(ctx, node, known)
    except PlanError:
        return None


def _cast(ctx: Context, node: Any) -> Any:
    safe = isinstance(node, exp.TryCast)
    to = ctx.type(node)
    if isinstance(node.this, exp.Literal | exp.Null):
        return constant(ctx, node, to)
    return ctx.cast(node.this, to, safe=safe)


def _number(ctx: Context, node: Any) -> Any:
    """``1e3`` is a DOUBLE in DuckDB and a numeric in PostgreSQL."""
    if node.is_string or "e" not in str(node.name).lower():
        return node
    return fill(ctx.dialect, f"CAST(:x AS {ctx.spelled('DOUBLE')})", x=exp.Literal.string(str(node.name)))


CONSTANTS: dict[type[Any], Rewrite] = {exp.Cast: _cast, exp.TryCast: _cast, exp.Literal: _number}
