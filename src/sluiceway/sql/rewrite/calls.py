"""Calls of functions: by the tables of ``functions``, and those whose words must be looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from sqlglot import exp

from sluiceway.sql.functions.base import Function, letter, takes
from sluiceway.sql.functions.number import HALF_AWAY, NUMBER
from sluiceway.sql.functions.snowflake import SNOWFLAKE
from sluiceway.sql.functions.text import TEXT
from sluiceway.sql.functions.time import TIME
from sluiceway.sql.primitives import PRIMITIVES
from sluiceway.sql.rewrite.cases import cased
from sluiceway.sql.rewrite.moments import MOMENTS
from sluiceway.sql.rewrite.operators import OPERATORS, as_boolean, common
from sluiceway.sql.rewrite.patterns import PATTERNS

if TYPE_CHECKING:
    from sluiceway.sql.rewrite.context import Context, Rewrite

__all__ = ["CALLS", "SPECIAL", "TABLES", "call_of", "rewrite_call"]

TABLES: dict[str, list[Function]] = {}
for _function in (*TEXT, *NUMBER, *TIME, *SNOWFLAKE):
    TABLES.setdefault(_function.name, []).append(_function)


def call_of(node: Any) -> tuple[str, list[Any]] | None:
    """DuckDB's name of a call and its arguments, also where sqlglot has a class for it."""
    if isinstance(node, exp.Anonymous):
        return node.name.lower(), list(node.expressions)
    match node:
        case exp.Substring():
            parts = [node.this, node.args.get("start"), node.args.get("length")]
            return "substring", [p for p in parts if p is not None]
        case exp.Trim():
            name = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(
                str(node.args.get("position") or "").upper(), "trim"
            )
            return name, [p for p in (node.this, node.expression) if p is not None]
        case exp.StrPosition():
            return "strpos", [node.this, node.args["substr"]]
        case exp.StartsWith():
            return "starts_with", [node.this, node.expression]
        case exp.Left() | exp.Right():
            return type(node).__name__.lower(), [node.this, node.expression]
        case exp.Replace():
            return "replace", [
                node.this,
                node.expression,
                node.args.get("replacement") or exp.Literal.string(""),
            ]
        case exp.Extract():
            return "date_part", [exp.Literal.string(node.name), node.expression]
        case exp.Pow():
            return "pow", [node.this, node.expression]
    return None


def rewrite_call(ctx: Context, node: Any) -> Any:
    """A call in the engine's words.

    Raises:
        PlanError: the engine has nothing that means the same.
    """
    found = call_of(node)
    if found is None:
        return node
    name, args = found
    if name in SPECIAL:
        return SPECIAL[name](ctx, node, args)
    return by_table(ctx, node, name, args)


def by_table(ctx: Context, node: Any, name: str, args: list[Any]) -> Any:
    """The first row of the tables that takes these arguments."""
    given = [letter(ctx.type(arg)) for arg in args]
    for function in TABLES.get(name, []):
        template = function.template(ctx.dialect)
        if template is None or len(function.letters) != len(args):
            continue
        if all(_fits(w, g, a) for w, g, a in zip(function.letters, given, args, strict=True)):
            plain = [_plain(ctx, g, w, a) for g, w, a in zip(given, function.letters, args, strict=True)]
            holes = dict(zip("abcdefg", plain, strict=False))
            return ctx.fill(template.replace("@T", ctx.spelled(ctx.type(node))), **holes)
    types = ", ".join(ctx.type(arg) for arg in args)
    raise ctx.refuse(
        node,
        f"{name}({types}) can't be made the same on",
        "docs/dialects.md lists what can; or use a step on DuckDB",
    )


def _fits(wanted: str, given: str, arg: Any) -> bool:
    if wanted.endswith("!"):
        return isinstance(arg, exp.Literal) and takes(wanted, given)
    if wanted.endswith("+"):
        return isinstance(arg, exp.Literal) and str(arg.name).isdecimal() and int(arg.name) > 0
    return takes(wanted, given)


def _plain(ctx: Context, given: str, wanted: str, arg: Any) -> Any:
    """NULL has a type elsewhere."""
    if given != "0":
        return arg
    type_ = {"T": "VARCHAR", "I": "INTEGER", "F": "DOUBLE", "D": "DATE", "B": "BOOLEAN"}.get(
        wanted[0], "VARCHAR"
    )
    return ctx.cast(arg, type_)


# --- those that look at their words -----------------------------------------------------------------


def _round(ctx: Context, node: Any, args: list[Any]) -> Any:
    """Away from zero at a half, by the binary number."""
    if len(args) == 1 and ctx.family(args[0]) != "float":
        return by_table(ctx, node, "round", args)
    digits = str(args[1].name) if len(args) == 2 and isinstance(args[1], exp.Literal) else "0"
    if len(args) == 2 and not (isinstance(args[1], exp.Literal) and digits.isdecimal()):
        raise ctx.refuse(node, "only a literal number of digits, 0 or more, is the same on", "write it out")
    type_, value = ctx.type(node), args[0]
    if ctx.family(value) == "integer":
        return value
    if ctx.family(value) == "decimal":
        return ctx.fill(f"CAST(round(:a, {digits}) AS {ctx.spelled(type_)})", a=value)
    if ctx.dialect == "snowflake":
        raise ctx.refuse(node, "a float is not rounded alike on", "cast it to DECIMAL in a step on DuckDB")
    value = ctx.cast(value, "DOUBLE")
    if digits == "0":
        return ctx.fill(
            f"CAST(:x AS {ctx.spelled(type_)})",
            x=ctx.fill(HALF_AWAY["spark"], HALF_AWAY["postgres"], a=value),
        )
    if ctx.type(args[0]) == "FLOAT":
        raise ctx.refuse(node, "round of a FLOAT to digits is not the same on", "cast it to DOUBLE first")
    scaled = ctx.fill(f":a * 1E{digits}D", f":a * CAST('1e{digits}' AS FLOAT8)", a=value)
    rounded = ctx.fill(HALF_AWAY["spark"], HALF_AWAY["postgres"], a=scaled)
    return ctx.fill(
        f"CASE WHEN abs(:a) < 1E290D THEN :r / 1E{digits}D ELSE :a END",
        f"CASE WHEN abs(:a) < 1e290 THEN :r / CAST('1e{digits}' AS FLOAT8) ELSE :a END",
        a=value, r=rounded,
    )  # fmt: skip


def _concat(ctx: Context, node: Any, args: list[Any]) -> Any:
    """NULL is nothing here."""
    texts = [ctx.cast(arg, "VARCHAR") for arg in args]
    if ctx.dialect == "snowflake":
        return exp.Anonymous(this="concat", expressions=[ctx.fill("coalesce(:x, '')", x=t) for t in texts])
    return exp.Anonymous(this="concat_ws", expressions=[exp.Literal.string(""), *texts])


def _concat_ws(ctx: Context, node: Any, args: list[Any]) -> Any:
    return exp.Anonymous(this="concat_ws", expressions=[ctx.cast(arg, "VARCHAR") for arg in args])


def _extreme(ctx: Context, node: Any, args: list[Any]) -> Any:
    name = node.name.lower() if isinstance(node, exp.Anonymous) else type(node).__name__.lower()
    type_ = ctx.type(node)
    values = [ctx.collated(ctx.cast(value, type_)) for value in common(ctx, node, *args)]
    return exp.Anonymous(this=name, expressions=values)


def _coalesce(ctx: Context, node: Any, args: list[Any]) -> Any:
    type_ = ctx.type(node)
    return exp.Anonymous(this="coalesce", expressions=[_branch(ctx, arg, type_) for arg in args])


def _branch(ctx: Context, value: Any, type_: str) -> Any:
    """A value that may stand beside others of ``type_``."""
    from sluiceway.sql.rewrite.operators import _literal_as

    if isinstance(value, exp.Literal) and value.is_string and type_ != "VARCHAR":
        return _literal_as(ctx, value, type_)
    if ctx.family(value) == "nested":
        return value
    return ctx.cast(value, type_)


def _nullif(ctx: Context, node: Any, args: list[Any]) -> Any:
    left, right = common(ctx, node, *args)
    # the type is the first one's
    return ctx.fill("CASE WHEN :e THEN NULL ELSE :a END", e=exp.EQ(this=left, expression=right), a=args[0])


def _if(ctx: Context, node: Any, args: list[Any]) -> Any:
    type_ = ctx.type(node)
    case = exp.Case().when(as_boolean(ctx, args[0]), _branch(ctx, args[1], type_))
    return case.else_(_branch(ctx, args[2], type_)) if len(args) > 2 else case


def _list_contains(ctx: Context, node: Any, args: list[Any]) -> Any:
    """Not being among others that are unknown is known here to be not there."""
    if "null" in (ctx.family(args[0]), ctx.family(args[1])):
        return ctx.cast(exp.null(), "BOOLEAN")
    return ctx.fill(
        "CASE WHEN :a IS NULL OR :b IS NULL THEN NULL ELSE coalesce(array_contains(:a, :b), FALSE) END",
        "CASE WHEN :a IS NULL OR :b IS NULL THEN NULL ELSE coalesce(:b = ANY(:a), FALSE) END",
        a=args[0], b=args[1],
    )  # fmt: skip


def _len(ctx: Context, node: Any, args: list[Any]) -> Any:
    if args and ctx.family(args[0]) == "nested":
        return ctx.fill("CAST(size(:a) AS BIGINT)", "CAST(cardinality(:a) AS BIGINT)", a=args[0])
    return by_table(ctx, node, "length", args)


def _mod(ctx: Context, node: Any, args: list[Any]) -> Any:
    rest = exp.Mod(this=args[0], expression=args[1])
    rest.meta.update(node.meta)
    return OPERATORS[exp.Mod](ctx, rest)


def _element(ctx: Context, node: Any) -> Any:
    """``list[n]``: from 1, from the end below 0, NULL where there is none."""
    index = node.expressions[0]
    negative = isinstance(index, exp.Neg)
    literal = index.this if negative else index
    if (
        ctx.family(node.this) != "nested"
        or not isinstance(literal, exp.Literal)
        or literal.is_string
        or len(node.expressions) != 1
    ):
        raise ctx.refuse(
            node,
            "[…] of this is not the same on",
            "use a list and a literal number, or substring(), or x.field",
        )
    number = -int(literal.name) if negative else int(literal.name)
    number += 1  # the parser counts from 0
    if ctx.dialect == "postgres" and number < 0:
        return ctx.fill(f"(:a)[cardinality(:a) + 1 - {-number}]", a=node.this)
    return ctx.fill(f"try_element_at(:a, {number})", f"(:a)[{number}]", a=node.this)


def _case_of(name: Literal["lower", "upper"]) -> Any:
    return lambda ctx, node, args: cased(ctx, args[0], name)


def _hashed(ctx: Context, node: Any, args: list[Any]) -> Any:
    raise ctx.refuse(
        node, "hash() has other values on every engine; there is none of", "use md5() or sha256()"
    )


def _json_valid(ctx: Context, node: Any, args: list[Any]) -> Any:
    if ctx.family(args[0]) not in ("text", "json"):
        raise ctx.refuse(node, "json_valid of this type is not the same on", "cast it to VARCHAR")
    return PRIMITIVES["is_json"].emitters[ctx.dialect](args[0])


SPECIAL: dict[str, Any] = {
    "json_valid": _json_valid,
    "round": _round, "concat": _concat, "concat_ws": _concat_ws, "greatest": _extreme, "least": _extreme,
    "coalesce": _coalesce, "ifnull": _coalesce, "nullif": _nullif, "if": _if, "iif": _if,
    "list_contains": _list_contains, "array_contains": _list_contains, "list_has": _list_contains,
    "array_has": _list_contains, "len": _len, "length": _len, "array_length": _len, "cardinality": _len,
    "lower": _case_of("lower"), "lcase": _case_of("lower"), "upper": _case_of("upper"),
    "ucase": _case_of("upper"), "hash": _hashed, "mod": _mod, **PATTERNS, **MOMENTS,
}  # fmt: skip


def _case(ctx: Context, node: Any) -> Any:
    type_ = ctx.type(node)
    made = exp.Case()
    for branch in node.args["ifs"]:
        condition = branch.this
        if node.this is not None:
            left, right = common(ctx, node, node.this.copy(), condition)
            condition = exp.EQ(this=left, expression=right)
        made = made.when(as_boolean(ctx, condition), _branch(ctx, branch.args["true"], type_))
    default = node.args.get("default")
    return made if default is None else made.else_(_branch(ctx, default, type_))


def _coalesce_node(ctx: Context, node: Any) -> Any:
    return _coalesce(ctx, node, [node.this, *node.expressions])


CALLS: dict[type[Any], Rewrite] = {
    exp.Bracket: _element,
    exp.Case: _case,
    exp.Coalesce: _coalesce_node,
    exp.Nullif: lambda ctx, node: _nullif(ctx, node, [node.this, node.expression]),
    exp.If: lambda ctx, node: node if isinstance(node.parent, exp.Case) else _if(
        ctx, node, [p for p in (node.this, node.args.get("true"), node.args.get("false")) if p is not None]
    ),
}  # fmt: skip
