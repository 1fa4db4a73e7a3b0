"""Arithmetic and functions in BigQuery's SQL."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from sluiceway.sql.emit.template import fill
from sluiceway.sql.rewrite.constants import constant
from sluiceway.sql.rewrite.operators import as_boolean, common

__all__ = ["BRANCHES", "CALLS", "arithmetic_of"]

_NUMBERS = ("integer", "decimal", "float", "null")
_MOMENTS = ("date", "timestamp", "timestamptz", "interval", "time")
_UNITS = {"YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND"}


def arithmetic_of(ctx: Any, node: Any) -> Any:
    """``+ - * / // %`` and the minus sign."""
    if isinstance(node, exp.Neg):
        if ctx.family(node.this) not in _NUMBERS:
            raise ctx.refuse(node, "this minus is not the same on", "cast it to a number first")
        return exp.Neg(this=_atom(node.this))
    sides = (node.this, node.expression)
    if any(isinstance(side, exp.Interval) for side in sides) or {_group(ctx, s) for s in sides} & set(
        _MOMENTS
    ):
        return _moment(ctx, node)
    groups, type_ = {ctx.family(side) for side in sides}, ctx.type(node)
    if not groups <= set(_NUMBERS):
        raise ctx.refuse(node, "this arithmetic is not the same on", "cast both sides to a number first")
    left, right = sides
    group = ctx.family(node)
    if isinstance(node, exp.Div):
        return fill("bigquery", "ieee_divide(CAST(:a AS FLOAT64), CAST(:b AS FLOAT64))", a=left, b=right)
    if isinstance(node, exp.IntDiv | exp.Mod):
        if group != "integer" and not (isinstance(node, exp.Mod) and group == "decimal"):
            raise ctx.refuse(node, "a remainder of these is not the same on", "cast both sides to BIGINT")
        name = "div" if isinstance(node, exp.IntDiv) else "mod"
        return fill("bigquery", f"{name}(:a, nullif(:b, 0))", a=left, b=right)
    if group == "float":
        left, right = (ctx.cast(side, "DOUBLE") for side in (left, right))
    if group == "decimal" and ctx.spelled(type_) == "BIGNUMERIC":
        left, right = (fill("bigquery", "CAST(:x AS BIGNUMERIC)", x=side) for side in (left, right))
    return type(node)(this=_atom(left), expression=_atom(right))


def _group(ctx: Any, node: Any) -> str:
    return "interval" if isinstance(node, exp.Interval) else str(ctx.family(node))


def _atom(node: Any) -> Any:
    return exp.paren(node) if isinstance(node, exp.Binary | exp.Neg) else node


def _moment(ctx: Any, node: Any) -> Any:
    left, right, plus = node.this, node.expression, isinstance(node, exp.Add)
    if isinstance(left, exp.Interval) and plus:
        left, right = right, left
    if isinstance(right, exp.Interval) and isinstance(node, exp.Add | exp.Sub):
        unit, amount = _interval(ctx, right)
        to, group = ctx.type(node), ctx.family(node)
        if group == "timestamp":
            name = "datetime_add" if plus else "datetime_sub"
            return fill("bigquery", f"{name}(:a, INTERVAL :n {unit})", a=ctx.cast(left, to), n=amount)
        if group == "timestamptz" and unit in ("DAY", "HOUR", "MINUTE", "SECOND"):
            name = "timestamp_add" if plus else "timestamp_sub"
            return fill("bigquery", f"{name}(:a, INTERVAL :n {unit})", a=left, n=amount)
        raise ctx.refuse(node, "this moment is not the same on", "cast it to TIMESTAMP first")
    kinds = (_group(ctx, left), _group(ctx, right))
    if kinds == ("date", "date") and isinstance(node, exp.Sub):
        return fill("bigquery", "date_diff(:a, :b, DAY)", a=left, b=right)
    if kinds == ("date", "integer"):
        return fill("bigquery", f"date_{'add' if plus else 'sub'}(:a, INTERVAL :b DAY)", a=left, b=right)
    raise ctx.refuse(node, "this is not the same on", "count it: date_diff('day', a, b)")


def _interval(ctx: Any, node: exp.Interval) -> tuple[str, Any]:
    unit = str(node.unit or "").upper().removesuffix("S")
    amount = node.this
    words = str(amount.name).split() if isinstance(amount, exp.Literal) else []
    if len(words) == 2 and not unit:
        unit = words[1].upper().removesuffix("S")
    if unit not in _UNITS or not words or not words[0].lstrip("-").isdecimal():
        raise ctx.refuse(node, "this interval is not the same on", "write INTERVAL n DAY, with one unit")
    return unit, exp.Literal.number(words[0])


# --- functions --------------------------------------------------------------------------------------


def _texts(template: str, *families: str) -> Any:
    """A template with :a, :b, … for arguments of these families."""

    def call(ctx: Any, node: Any, args: list[Any]) -> Any:
        if len(args) != len(families):
            return None
        if any(
            _group(ctx, arg) not in (*wanted.split("|"), "null")
            for arg, wanted in zip(args, families, strict=True)
        ):
            return None
        return fill("bigquery", template, **dict(zip("abc", args, strict=False)))

    return call


def _substring(ctx: Any, node: Any, args: list[Any]) -> Any:
    """Positions from 1: below it DuckDB and BigQuery count otherwise."""
    plain = all(isinstance(a, exp.Literal) and str(a.name).isdecimal() and int(a.name) > 0 for a in args[1:])
    if _group(ctx, args[0]) != "text" or not plain:
        return None
    return exp.Anonymous(this="substr", expressions=list(args))


def _branch(ctx: Any, value: Any, type_: str) -> Any:
    """A value that may stand beside others of ``type_``."""
    if isinstance(value, exp.Literal) and value.is_string and type_ != "VARCHAR":
        return constant(ctx, value, type_)
    return ctx.cast(value, type_)


def _case(ctx: Any, node: Any) -> Any:
    type_, made = ctx.type(node), exp.Case()
    for branch in node.args["ifs"]:
        condition = branch.this
        if node.this is not None:
            left, right = common(ctx, node, node.this.copy(), condition)
            condition = exp.EQ(this=left, expression=right)
        made = made.when(as_boolean(ctx, condition), _branch(ctx, branch.args["true"], type_))
    default = node.args.get("default")
    return made if default is None else made.else_(_branch(ctx, default, type_))


def _if(ctx: Any, node: Any, args: list[Any]) -> Any:
    type_ = ctx.type(node)
    case = exp.Case().when(as_boolean(ctx, args[0]), _branch(ctx, args[1], type_))
    return case.else_(_branch(ctx, args[2], type_)) if len(args) > 2 else case


def _if_node(ctx: Any, node: Any) -> Any:
    if isinstance(node.parent, exp.Case):
        return node
    parts = (node.this, node.args.get("true"), node.args.get("false"))
    return _if(ctx, node, [part for part in parts if part is not None])


def _coalesce(ctx: Any, node: Any, args: list[Any]) -> Any:
    type_ = ctx.type(node)
    return exp.Anonymous(this="coalesce", expressions=[_branch(ctx, arg, type_) for arg in args])


def _nullif(ctx: Any, node: Any, args: list[Any]) -> Any:
    left, right = common(ctx, node, *args)
    if "float" in (ctx.family(left), ctx.family(right)):
        raise ctx.refuse(node, "nullif of floats is not the same on", "cast both sides to DECIMAL")
    return fill(
        "bigquery", "CASE WHEN :e THEN NULL ELSE :a END", e=exp.EQ(this=left, expression=right), a=args[0]
    )


def _round(ctx: Any, node: Any, args: list[Any]) -> Any:
    group = _group(ctx, args[0])
    if group == "integer" and len(args) == 1:
        return args[0]
    digits = args[1] if len(args) == 2 else exp.Literal.number(0)
    if group != "decimal" or not (isinstance(digits, exp.Literal) and str(digits.name).isdecimal()):
        return None
    return fill("bigquery", f"round(:a, {digits.name})", a=args[0])


def _matches(whole: bool) -> Any:
    def call(ctx: Any, node: Any, args: list[Any]) -> Any:
        """RE2 on both sides."""
        if len(args) != 2 or not isinstance(args[1], exp.Literal) or _group(ctx, args[0]) != "text":
            return None
        pattern = args[1].name
        text = f"\\A(?:{pattern})\\z" if whole else pattern
        return exp.Anonymous(this="regexp_contains", expressions=[args[0], exp.Literal.string(text)])

    return call


def _part(unit: str) -> Any:
    def call(ctx: Any, node: Any, args: list[Any]) -> Any:
        groups = ("timestamp",) if unit in ("HOUR", "MINUTE", "SECOND") else ("date", "timestamp")
        if len(args) != 1 or _group(ctx, args[0]) not in groups:
            return None
        return fill("bigquery", f"EXTRACT({unit} FROM :a)", a=args[0])

    return call


def _date_part(ctx: Any, node: Any, args: list[Any]) -> Any:
    unit = str(args[0].name).upper()
    known = unit in ("YEAR", "QUARTER", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND")
    return _part(unit)(ctx, node, args[1:]) if known else None


def _trunc(ctx: Any, node: Any, args: list[Any]) -> Any:
    unit = str(args[0].name).upper()
    if not isinstance(args[0], exp.Literal) or unit not in _UNITS:
        return None
    unit = "ISOWEEK" if unit == "WEEK" else unit
    if _group(ctx, args[1]) == "timestamp":
        return fill("bigquery", f"datetime_trunc(:a, {unit})", a=args[1])
    if _group(ctx, args[1]) == "date" and unit in ("YEAR", "QUARTER", "MONTH", "ISOWEEK", "DAY"):
        made = fill("bigquery", f"date_trunc(:a, {unit})", a=args[1])
        return made if ctx.family(node) == "date" else fill("bigquery", "CAST(:a AS DATETIME)", a=made)
    return None


def _diff(ctx: Any, node: Any, args: list[Any]) -> Any:
    """Boundaries that lie between the two, on both sides."""
    unit = str(args[0].name).upper()
    if not isinstance(args[0], exp.Literal) or unit not in ("DAY", "MONTH", "YEAR", "QUARTER"):
        return None
    groups = {_group(ctx, arg) for arg in args[1:]}
    if not groups <= {"date", "timestamp"}:
        return None
    a, b = (ctx.cast(arg, "DATE") for arg in args[1:])
    return fill("bigquery", f"date_diff(:b, :a, {unit})", a=a, b=b)


CALLS: dict[str, Any] = {
    "lower": _texts("lower(:a)", "text"), "upper": _texts("upper(:a)", "text"),
    "trim": _texts("trim(:a, ' ')", "text"), "ltrim": _texts("ltrim(:a, ' ')", "text"),
    "rtrim": _texts("rtrim(:a, ' ')", "text"),
    "length": _texts("char_length(:a)", "text"), "len": _texts("char_length(:a)", "text"),
    "substring": _substring, "substr": _substring,
    "replace": _texts("replace(:a, :b, :c)", "text", "text", "text"),
    "starts_with": _texts("starts_with(:a, :b)", "text", "text"),
    "ends_with": _texts("ends_with(:a, :b)", "text", "text"),
    "contains": _texts("strpos(:a, :b) > 0", "text", "text"),
    "strpos": _texts("strpos(:a, :b)", "text", "text"),
    "md5": _texts("to_hex(md5(:a))", "text"), "sha256": _texts("to_hex(sha256(:a))", "text"),
    "abs": _texts("abs(:a)", "integer|decimal|float"),
    "floor": _texts("floor(:a)", "decimal|float"), "ceil": _texts("ceil(:a)", "decimal|float"),
    "isnan": _texts("IS_NAN(:a)", "float"),
    "regexp_matches": _matches(whole=False), "regexp_full_match": _matches(whole=True),
    "coalesce": _coalesce, "ifnull": _coalesce, "nullif": _nullif, "if": _if, "round": _round,
    "year": _part("YEAR"), "month": _part("MONTH"), "day": _part("DAY"), "quarter": _part("QUARTER"),
    "hour": _part("HOUR"), "minute": _part("MINUTE"), "second": _part("SECOND"), "date_part": _date_part,
    "date_trunc": _trunc, "date_diff": _diff, "datediff": _diff,
}  # fmt: skip

BRANCHES: dict[type[Any], Any] = {
    exp.Case: _case,
    exp.If: _if_node,
    exp.Coalesce: lambda ctx, node: _coalesce(ctx, node, [node.this, *node.expressions]),
    exp.Nullif: lambda ctx, node: _nullif(ctx, node, [node.this, node.expression]),
}
