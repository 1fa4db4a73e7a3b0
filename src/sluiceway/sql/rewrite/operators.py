"""Arithmetic, comparisons, text operators and conditions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlglot import exp

from sluiceway.sql.rewrite.cases import cased
from sluiceway.sql.rewrite.patterns import PATTERNS
from sluiceway.sql.scopes import type_of

if TYPE_CHECKING:
    from sluiceway.sql.rewrite.context import Context, Rewrite

__all__ = ["OPERATORS", "as_boolean", "common"]

_EXACT = ("integer", "decimal")
_NUMBERS = ("integer", "decimal", "float")
_TIMES = ("date", "timestamp", "timestamptz")
_NARROW = ("TINYINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT")


# --- arithmetic -------------------------------------------------------------------------------------


def _arithmetic(ctx: Context, node: Any) -> Any:
    if isinstance(node.this, exp.Interval) or isinstance(node.expression, exp.Interval):
        return _moment(ctx, node)
    families = {ctx.family(node.this), ctx.family(node.expression)}
    if families & {*_TIMES, "time", "interval"}:
        return _moment(ctx, node)
    if not families <= {*_NUMBERS, "null"}:
        raise ctx.refuse(node, "this arithmetic is not the same on", "cast both sides to a number first")
    type_ = ctx.type(node)
    unsigned = type_.upper() in _NARROW and (ctx.dialect == "postgres" or type_.upper() != "TINYINT")
    if unsigned:
        raise ctx.refuse(
            node, f"{type_} overflows elsewhere on", "cast one side: CAST(… AS INTEGER) or BIGINT"
        )
    group = ctx.family(node)
    left, right = node.this, node.expression
    _exact_product(ctx, node, group)
    if group in ("integer", "float"):
        left, right = ctx.cast(left, type_), ctx.cast(right, type_)
    made = type(node)(this=_atom(left), expression=_atom(right))
    if isinstance(node, exp.Mod):
        if ctx.dialect == "spark" and group == "decimal" and "38" in type_:
            raise ctx.refuse(
                node, "a remainder of so many digits is not exact on", "cast both sides to DECIMAL(18,2)"
            )
        if group == "float" and ctx.dialect != "spark":
            raise ctx.refuse(node, "there is no remainder of floats on", "cast both sides to DECIMAL")
        zero = f"CAST(0 AS {ctx.spelled(type_)})" if group == "integer" else "0"
        made = ctx.fill(f":a % nullif(:b, {zero})", a=left, b=right)
        if group == "float":
            return ctx.fill("CASE WHEN :b = 0 THEN CAST('NaN' AS DOUBLE) ELSE :a % :b END", a=left, b=right)
    # engines keep other digits of a decimal
    return ctx.fill(f"CAST(:x AS {ctx.spelled(type_)})", x=made) if group == "decimal" else made


def _exact_product(ctx: Context, node: Any, group: str) -> None:
    """Snowflake keeps twelve digits behind the point of a product."""
    if ctx.dialect != "snowflake" or group != "decimal" or not isinstance(node, exp.Mul):
        return
    if ctx.type(node).startswith("DECIMAL(") and int(ctx.type(node).rstrip(")").split(",")[1]) > 12:
        raise ctx.refuse(
            node, "digits behind the twelfth are lost on", "cast both sides to DECIMALs of fewer digits"
        )


def _atom(node: Any) -> Any:
    return exp.paren(node) if isinstance(node, exp.Binary | exp.Neg) else node


def _moment(ctx: Context, node: Any) -> Any:
    """Dates and times."""
    left, right, plus = node.this, node.expression, isinstance(node, exp.Add)
    if isinstance(left, exp.Interval) and plus:
        left, right = right, left
    if isinstance(right, exp.Interval) and ctx.family(left) in _TIMES:
        to = ctx.type(node)
        sign = "+" if plus else "-"
        if ctx.dialect == "snowflake":
            unit, amount = _unit_of(ctx, right)
            return ctx.fill(
                f"CAST(dateadd({unit}, {'' if plus else '-'}:n, :a) AS {ctx.spelled(to)})",
                n=amount, a=ctx.cast(left, to),
            )  # fmt: skip
        return ctx.fill(f":a {sign} :b", a=ctx.cast(left, to), b=_interval(ctx, right))
    kinds = (ctx.family(left), ctx.family(right))
    if kinds == ("date", "date") and not plus:
        return ctx.fill("CAST(datediff(:a, :b) AS BIGINT)", "CAST(:a - :b AS BIGINT)",
                        "CAST(datediff(day, :b, :a) AS NUMBER(38, 0))", a=left, b=right)  # fmt: skip
    if kinds == ("integer", "date") and plus:
        left, right, kinds = right, left, ("date", "integer")
    if kinds == ("date", "integer"):
        sign = "" if plus else "-"
        return ctx.fill(
            f"date_add(:a, CAST({sign}:b AS INT))",
            f":a {'+' if plus else '-'} CAST(:b AS INT)",
            f"CAST(dateadd(day, {sign}:b, :a) AS DATE)",
            a=left,
            b=right,
        )
    raise ctx.refuse(
        node, "a difference of times is an interval, which is not the same on",
        "count it: date_diff('second', a, b) or epoch(a) - epoch(b)",
    )  # fmt: skip


_UNITS = {
    "YEAR": "years", "QUARTER": "months", "MONTH": "months", "WEEK": "days", "DAY": "days", "HOUR": "hours",
    "MINUTE": "mins", "SECOND": "secs", "MILLISECOND": "secs", "MICROSECOND": "secs",
}  # fmt: skip
_TIMES_OF = {"QUARTER": "3 * ", "WEEK": "7 * ", "MILLISECOND": "0.001 * ", "MICROSECOND": "0.000001 * "}
_SPARK_PLACE = {"years": 0, "months": 1, "weeks": 2, "days": 3, "hours": 4, "mins": 5, "secs": 6}


def _interval(ctx: Context, node: exp.Interval) -> Any:
    """``INTERVAL n UNIT``, n a literal or an integer."""
    unit, amount = _unit_of(ctx, node)
    field, factor = _UNITS[unit], _TIMES_OF.get(unit, "")
    if ctx.dialect == "postgres":
        cast = "CAST(:n AS FLOAT8)" if field == "secs" else "CAST(:n AS INT)"
        return ctx.fill(f"make_interval({field} => {factor}{cast})", n=amount)
    places = ["0"] * 7
    places[_SPARK_PLACE[field]] = (
        f"CAST({factor}:n AS DECIMAL(18, 6))" if field == "secs" else f"CAST({factor}:n AS INT)"
    )
    return ctx.fill(f"make_interval({', '.join(places)})", n=amount)


def _unit_of(ctx: Context, node: exp.Interval) -> tuple[str, Any]:
    """The unit and how many of it."""
    unit = str(node.unit or "").upper().removesuffix("S")
    amount: Any = node.this
    if isinstance(amount, exp.Literal):
        words = str(amount.name).split()
        if not unit and len(words) == 2:
            unit = words[1].upper().removesuffix("S")
        amount = exp.Literal.number(words[0]) if words else amount
        if not str(amount.name).lstrip("-").isdecimal():
            unit = ""
    elif type_of(amount) is None or ctx.family(amount) != "integer":
        unit = ""
    if unit not in _UNITS:
        raise ctx.refuse(node, "this interval is not the same on", "write INTERVAL n DAY, with one unit")
    return unit, amount


_BY_ZERO = (
    "CASE WHEN :b = 0 THEN CASE WHEN :a = 0 OR @nan THEN CAST('NaN' AS @) "
    "WHEN (:a > 0) = (CAST(:b AS TEXT) NOT LIKE '-%') THEN CAST('Infinity' AS @) "
    "WHEN :a IS NOT NULL THEN CAST('-Infinity' AS @) END ELSE :a / :b END"
)

_BY_ZERO_S = (  # its zero has no sign that could be asked for
    "CASE WHEN :b = 0 THEN CASE WHEN :a = 0 OR :a = CAST('NaN' AS FLOAT) THEN CAST('NaN' AS FLOAT) "
    "WHEN :a > 0 THEN CAST('inf' AS FLOAT) WHEN :a < 0 THEN CAST('-inf' AS FLOAT) END ELSE :a / :b END"
)


def _divide(ctx: Context, node: Any) -> Any:
    """A fraction, as binary floats; by zero there is infinity or NaN."""
    type_ = ctx.type(node)
    if not {ctx.family(node.this), ctx.family(node.expression)} <= {*_NUMBERS, "null"}:
        raise ctx.refuse(node, "this division is not the same on", "cast both sides to a number first")
    if type_ == "FLOAT" and ctx.dialect == "spark":  # Spark divides in double precision
        wide = exp.Div(this=node.this, expression=node.expression)
        return ctx.fill("CAST(:x AS FLOAT)", x=_divide(ctx, ctx.typed(wide, "DOUBLE")))
    left, right = ctx.cast(node.this, type_), ctx.cast(node.expression, type_)
    if isinstance(node.expression, exp.Literal) and float(node.expression.name or 0) != 0:
        return exp.Div(this=_atom(left), expression=_atom(right), typed=False, safe=False)
    to = ctx.spelled(type_)
    spark, postgres = (_BY_ZERO.replace("@nan", nan).replace("@", to) for nan in ("isnan(:a)", ":a = 'NaN'"))
    return ctx.fill(spark.replace("TEXT", "STRING"), postgres, _BY_ZERO_S, a=left, b=right)


def _whole_division(ctx: Context, node: Any) -> Any:
    type_ = ctx.type(node)
    if ctx.family(node) != "integer" or type_.upper() in _NARROW:
        raise ctx.refuse(node, "// of these types is not the same on", "divide by / and take trunc() of it")
    left, right = ctx.cast(node.this, type_), ctx.cast(node.expression, type_)
    if type_.upper() == "HUGEINT":
        raise ctx.refuse(node, "// of HUGEINT is not the same on", "cast both sides to BIGINT")
    zero = f"CAST(0 AS {ctx.spelled(type_)})"
    return ctx.fill(
        f"CAST(:a div nullif(:b, {zero}) AS {ctx.spelled(type_)})",
        f":a / nullif(:b, {zero})",
        "CAST((:a - (:a % nullif(:b, 0))) / nullif(:b, 0) AS NUMBER(38, 0))",
        a=left,
        b=right,
    )


def _negative(ctx: Context, node: Any) -> Any:
    if ctx.family(node.this) not in (*_NUMBERS, "null"):
        raise ctx.refuse(node, "this minus is not the same on", "cast it to a number first")
    if ctx.dialect == "postgres" and ctx.type(node).upper() in _NARROW and not node.find(exp.Literal):
        raise ctx.refuse(node, "its type overflows elsewhere on", "cast it to INTEGER first")
    if (
        ctx.dialect == "spark"
        and ctx.family(node.this) == "decimal"
        and not isinstance(node.this, exp.Literal)
    ):
        spelled = ctx.spelled(ctx.type(node))  # Spark's minus sign rounds to 34 digits
        return ctx.fill(f"CAST(CAST(0 AS {spelled}) - :x AS {spelled})", x=node.this)
    return exp.Neg(this=_atom(node.this))


def _bits(ctx: Context, node: Any) -> Any:
    type_ = ctx.type(node)
    if ctx.family(node) != "integer" or type_.upper() == "HUGEINT":
        raise ctx.refuse(node, "bits of this type are not the same on", "cast both sides to BIGINT")
    return type(node)(
        this=_atom(ctx.cast(node.this, type_)), expression=_atom(ctx.cast(node.expression, type_))
    )


# --- comparisons ------------------------------------------------------------------------------------

_ORDERING = (exp.LT, exp.LTE, exp.GT, exp.GTE)


def common(ctx: Context, node: Any, *operands: Any) -> list[Any]:
    """``operands`` as values of one type, the one in which DuckDB would compare them.

    Raises:
        PlanError: they have none that is the same here.
    """
    known = [(op, ctx.type(op)) for op in operands if ctx.type(op) != '"NULL"']
    literals = [op for op, _ in known if isinstance(op, exp.Literal) and op.is_string]
    others = [(op, t) for op, t in known if op not in literals]
    types = {t for _, t in others}
    if literals and types - {"VARCHAR"}:
        if len(types) != 1:
            raise ctx.refuse(
                node, "these are not compared alike on", "cast the text to the type that is meant"
            )
        (only,) = types
        return [_literal_as(ctx, op, only) if op in literals else op for op in operands]
    families = {ctx.family(op) for op, _ in others}
    if len(types) <= 1 or families <= set(_EXACT):
        return list(operands)
    to = _wider(families, types)
    if to is None:
        raise ctx.refuse(
            node,
            f"values of {' and '.join(sorted(types))} are not compared alike on",
            "cast both to one type",
        )
    return [op if ctx.type(op) == '"NULL"' else ctx.cast(op, to) for op in operands]


def _wider(families: set[str], types: set[str]) -> str | None:
    if families <= {*_EXACT, "float"}:
        return "DOUBLE" if "DOUBLE" in types else "FLOAT"
    if families <= {"date", "timestamp"}:
        return "TIMESTAMP"
    if families <= set(_TIMES):
        return "TIMESTAMP WITH TIME ZONE"
    return "VARCHAR" if families <= {"text"} else None


def _literal_as(ctx: Context, literal: exp.Literal, to: str) -> Any:
    from sluiceway.sql.rewrite.constants import constant

    return constant(ctx, literal, to)


_COMPARED = ("text", "boolean", "uuid", "blob", "time", "json", *_NUMBERS, *_TIMES, "null")


def _compare(ctx: Context, node: Any) -> Any:
    if isinstance(node.this, exp.Tuple) or isinstance(node.expression, exp.Tuple):
        raise ctx.refuse(node, "rows are not compared alike on", "compare column by column")
    left, right = common(ctx, node, node.this, node.expression)
    for side in (left, right):
        if ctx.family(side) not in _COMPARED:
            raise ctx.refuse(node, f"{ctx.type(side)} is not compared alike on", "compare its parts")
    if isinstance(node, _ORDERING):
        left, right = ctx.collated(left), ctx.collated(right)
    if ctx.dialect == "postgres" and "json" in (ctx.family(left), ctx.family(right)):
        left, right = (ctx.fill("CAST(:x AS TEXT)", x=side) for side in (left, right))
    return type(node)(this=_side(left), expression=_side(right))


def _side(node: Any) -> Any:
    return (
        exp.paren(node) if isinstance(node, exp.Connector | exp.Not | exp.Predicate | exp.Collate) else node
    )


def _between(ctx: Context, node: Any) -> Any:
    this, low, high = common(ctx, node, node.this, node.args["low"], node.args["high"])
    this, low, high = (ctx.collated(part) for part in (this, low, high))
    return exp.Between(this=_side(this), low=_side(low), high=_side(high))


def _in(ctx: Context, node: Any) -> Any:
    if node.args.get("query") is not None:
        return node
    if node.args.get("unnest") is not None or node.args.get("field") is not None:
        raise ctx.refuse(node, "IN of a list is not the same on", "use list_contains(list, value)")
    this, *items = common(ctx, node, node.this, *node.expressions)
    return exp.In(this=_side(this), expressions=items)


# --- text -------------------------------------------------------------------------------------------


def _concat(ctx: Context, node: Any) -> Any:
    sides = [node.this, node.expression]
    if ctx.type(node) not in ("VARCHAR", "BLOB"):
        raise ctx.refuse(node, f"|| of {ctx.type(node)} is not the same on", "use || for text")
    texts = [ctx.cast(side, ctx.type(node)) for side in sides]
    return exp.DPipe(this=_atom(texts[0]), expression=_atom(texts[1]), safe=False)


def _like(ctx: Context, node: Any) -> Any:
    """No character escapes another in DuckDB's LIKE unless ESCAPE says which."""
    escape, negated = None, False
    if isinstance(node, exp.Escape):
        escape, negated, node = node.expression.name, bool(node.args.get("negate")), node.this
    value, pattern = node.this, node.expression
    if ctx.family(value) not in ("text", "null") or ctx.family(pattern) not in ("text", "null"):
        raise ctx.refuse(node, "LIKE of this type is not the same on", "cast it to VARCHAR")
    if isinstance(node, exp.ILike):
        value, pattern = cased(ctx, value, "lower"), cased(ctx, pattern, "lower")
    if ctx.dialect == "snowflake":  # nor does one there
        if escape is not None:
            raise ctx.refuse(node, "ESCAPE is not the same on", "use contains() or starts_with()")
        made = exp.Like(this=_side(value), expression=_side(pattern))
        return exp.Not(this=made) if node.args.get("negate") else made
    if escape is not None:
        if not isinstance(pattern, exp.Literal):
            raise ctx.refuse(
                node, "ESCAPE with a computed pattern is not the same on", "write the pattern out"
            )
        pattern = exp.Literal.string(_backslashed(pattern.name, escape))
    elif isinstance(pattern, exp.Literal):
        pattern = exp.Literal.string(pattern.name.replace("\\", "\\\\"))
    else:
        pattern = ctx.fill(r"replace(:p, '\\', '\\\\')", r"replace(:p, '\', '\\')", p=pattern)
    made = exp.Like(this=_side(value), expression=_side(pattern))
    return exp.Not(this=made) if negated or node.args.get("negate") else made


def _similar(ctx: Context, node: Any) -> Any:
    """DuckDB reads the pattern as a regular expression of the whole text."""
    made = PATTERNS["regexp_full_match"](ctx, node, [node.this, node.expression])
    return exp.Not(this=made) if node.args.get("negate") else made


def _backslashed(pattern: str, escape: str) -> str:
    """The same pattern with a backslash for its escape."""
    out, letters = [], iter(pattern)
    for letter in letters:
        if letter == escape:
            following = next(letters, "")
            out.append("\\" + following if following in ("%", "_", "\\") else following)
        else:
            out.append("\\\\" if letter == "\\" else letter)
    return "".join(out)


# --- conditions -------------------------------------------------------------------------------------


def as_boolean(ctx: Context, node: Any) -> Any:
    """Where a truth is wanted DuckDB takes a number too."""
    return node if type_of(node) is None else ctx.cast(node, "BOOLEAN")


def _junction(ctx: Context, node: Any) -> Any:
    sides = [as_boolean(ctx, node.this), as_boolean(ctx, node.expression)]
    return type(node)(this=_joined(sides[0], node), expression=_joined(sides[1], node))


def _joined(side: Any, node: Any) -> Any:
    return exp.paren(side) if isinstance(side, exp.Connector) and type(side) is not type(node) else side


def _not(ctx: Context, node: Any) -> Any:
    inner = as_boolean(ctx, node.this)
    return exp.Not(this=exp.paren(inner) if isinstance(inner, exp.Connector) else inner)


def _is(ctx: Context, node: Any) -> Any:
    if isinstance(node.expression, exp.Boolean) and ctx.dialect == "snowflake":
        truth = as_boolean(ctx, node.this)
        return ctx.fill(f"coalesce({':x' if node.expression.this else 'NOT :x'}, FALSE)", x=truth)
    if isinstance(node.expression, exp.Boolean):
        return exp.Is(this=_side(as_boolean(ctx, node.this)), expression=node.expression)
    return exp.Is(this=_side(node.this), expression=node.expression)


OPERATORS: dict[type[Any], Rewrite] = {
    exp.Add: _arithmetic, exp.Sub: _arithmetic, exp.Mul: _arithmetic, exp.Mod: _arithmetic,
    exp.Div: _divide, exp.IntDiv: _whole_division, exp.Neg: _negative,
    exp.BitwiseAnd: _bits, exp.BitwiseOr: _bits,
    exp.EQ: _compare, exp.NEQ: _compare, exp.LT: _compare, exp.LTE: _compare, exp.GT: _compare,
    exp.GTE: _compare, exp.NullSafeEQ: _compare, exp.NullSafeNEQ: _compare,
    exp.Between: _between, exp.In: _in, exp.DPipe: _concat, exp.Like: _like, exp.ILike: _like,
    exp.Escape: _like, exp.SimilarTo: _similar, exp.And: _junction, exp.Or: _junction, exp.Not: _not,
    exp.Is: _is,
}  # fmt: skip
