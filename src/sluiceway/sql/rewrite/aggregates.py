"""Aggregates and window functions: sums that don't overflow, averages as floats, order by bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlglot import exp

from sluiceway.sql.rewrite.operators import as_boolean

if TYPE_CHECKING:
    from sluiceway.sql.rewrite.context import Context

__all__ = ["AGGREGATE_CALLS", "AGGREGATE_NODES", "mean_sql"]

_NUMBERS = ("integer", "decimal", "float")


def _all(ctx: Context, node: Any, value: Any) -> Any:
    """The argument of an aggregate that takes every value."""
    if isinstance(value, exp.Distinct):
        raise ctx.refuse(
            node,
            "of distinct values it can't be made the same on",
            "aggregate over a subquery: SELECT DISTINCT x",
        )
    return value


def _sum(ctx: Context, node: Any, value: Any, over: Any) -> Any:
    value = _all(ctx, node, value)
    group, type_ = ctx.family(value), ctx.type(node)
    if group == "boolean":
        value, group = ctx.cast(value, "INTEGER"), "integer"
    if group not in (*_NUMBERS, "null"):
        raise ctx.refuse(node, "a sum of this type is not the same on", "cast it to a number first")
    if group == "float":
        return over(exp.Sum(this=ctx.cast(value, "DOUBLE")))
    spelled = ctx.spelled(type_)
    wide = ctx.fill(f"CAST(:x AS {spelled})", x=value)
    made = over(exp.Sum(this=wide))
    return ctx.fill(f"CAST(:x AS {spelled})", x=made)


def _avg(ctx: Context, node: Any, value: Any, over: Any) -> Any:
    """The exact sum through the number of values, as DuckDB has it."""
    value = _all(ctx, node, value)
    group = ctx.family(value)
    if group not in (*_NUMBERS, "null"):
        raise ctx.refuse(node, "an average of this type is not the same on", "cast it to a number first")
    count = over(exp.Count(this=value.copy()))
    if group == "float":
        total = over(exp.Sum(this=ctx.cast(value, "DOUBLE")))
        plain = (f"CAST(:t AS {float_}) / nullif(:n, 0)" for float_ in ("DOUBLE", "FLOAT8", "FLOAT"))
        return ctx.fill(*plain, t=total, n=count)
    scale = _scale(ctx.type(value))
    total = over(exp.Sum(this=ctx.fill(f"CAST(:x AS DECIMAL(38, {scale}))", x=value)))
    return ctx.fill(mean_sql(ctx.dialect, scale), t=total, n=count)


_MEANS = {"spark": "DOUBLE", "postgres": "FLOAT8", "snowflake": "FLOAT"}
"""The float of each engine."""
_WHOLE = 2**51
"""Below it a float holds a whole number and half of one."""
_POWERS = 22
"""10 to no higher power is a float."""


def mean_sql(dialect: str, scale: int) -> str:
    """The float nearest to the exact sum ``:t``, of this scale, through the number ``:n`` of values.

    DuckDB divides whole numbers, the sum's digits by ``n * 10 ** scale``, and rounds once. A decimal sum
    that is made a float before it is divided is rounded twice, and every fifth mean would differ in its
    last bit. Below 2**51 digits' worth the same division is said in floats. Above it PostgreSQL divides
    to 80 digits; Spark to ``scale + 11``, which is more than a float holds of sums up to
    ``10 ** (27 - scale)`` of fewer than 10**10 values. Snowflake rounds twice there, as does Spark beyond.

    >>> print(mean_sql("snowflake", 2))  # doctest: +NORMALIZE_WHITESPACE
    CASE WHEN abs(:t) < 22517998136852.48 THEN round(CAST(:t AS FLOAT) * 1E2) / (:n * 1E2)
    ELSE CAST(:t AS FLOAT) / nullif(:n, 0) END
    """
    name = _MEANS[dialect]
    if dialect == "postgres":
        return "CAST(CAST(:t AS NUMERIC(160, 80)) / nullif(:n, 0) AS FLOAT8)"
    twice = f"CAST(:t AS {name}) / nullif(:n, 0)"
    cases = []
    if 0 < scale <= _POWERS:
        digits = f"{_WHOLE:0{scale + 1}d}"
        bound = f"{digits[:-scale]}.{digits[-scale:]}"
        cases.append(f"abs(:t) < {bound} THEN round(CAST(:t AS {name}) * 1E{scale}) / (:n * 1E{scale})")
    if dialect == "spark" and scale <= _POWERS:
        quotient = f"CAST(:t AS DECIMAL(27, {scale})) / CAST(:n AS DECIMAL(10, 0))"
        fits = f"abs(:t) < 1{'0' * (27 - scale)} AND :n < 10000000000"
        above = "" if scale else f"abs(:t) > {_WHOLE} AND "
        cases.append(f"{above}{fits} THEN CAST({quotient} AS DOUBLE)")
    return f"CASE {' '.join(f'WHEN {case}' for case in cases)} ELSE {twice} END" if cases else twice


def _scale(type_: str) -> int:
    return int(type_.rstrip(")").split(",")[1]) if type_.startswith("DECIMAL(") else 0


def _ends(name: str) -> Any:
    def rewrite(ctx: Context, node: Any, value: Any, over: Any) -> Any:
        value = value.expressions[0] if isinstance(value, exp.Distinct) else value
        group = ctx.family(value)
        if group in ("nested", "interval", "blob", "json", "unknown"):
            raise ctx.refuse(node, f"{name} of {ctx.type(value)} is not the same on", "use a part of it")
        if group == "boolean":
            return _truths(f"bool_{'and' if name == 'min' else 'or'}")(ctx, node, value, over)
        if ctx.dialect == "postgres" and group == "uuid":
            text = ctx.fill('CAST(:x AS TEXT) COLLATE "C"', x=value)
            return ctx.fill("CAST(:x AS UUID)", x=over(exp.Anonymous(this=name, expressions=[text])))
        return over(exp.Anonymous(this=name, expressions=[ctx.collated(value)]))

    return rewrite


def _count(ctx: Context, node: Any, value: Any, over: Any) -> Any:
    return over(exp.Count(this=node.this.copy(), expressions=[e.copy() for e in node.expressions]))


_TRUTHS = {"bool_and": "booland_agg", "bool_or": "boolor_agg"}


def _truths(name: str) -> Any:
    def rewrite(ctx: Context, node: Any, value: Any, over: Any) -> Any:
        own = _TRUTHS[name] if ctx.dialect == "snowflake" else name
        return over(exp.Anonymous(this=own, expressions=[as_boolean(ctx, value)]))

    return rewrite


def _count_if(ctx: Context, node: Any, value: Any, over: Any) -> Any:
    one = exp.Case().when(as_boolean(ctx, value), exp.Literal.number(1))
    return ctx.fill(f"CAST(:x AS {ctx.spelled(ctx.type(node))})", x=over(exp.Count(this=one)))


def _string_agg(ctx: Context, node: Any, value: Any, over: Any) -> Any:
    args = node.expressions if isinstance(node, exp.Anonymous) else [node.this]
    last = args[-1]
    order = last if isinstance(last, exp.Order) else None
    values = [*args[:-1], order.this] if order is not None else list(args)
    if order is None:
        raise ctx.refuse(
            node, "without an order it gives another text on every run; it can't be made the same on",
            "add one: string_agg(x, ',' ORDER BY x)",
        )  # fmt: skip
    separator = values[1] if len(values) > 1 else exp.Literal.string(",")
    text = ctx.cast(values[0], "VARCHAR")
    terms = ", ".join(
        f":o{i} {'DESC' if t.args.get('desc') else 'ASC'} NULLS {_nulls(t)}"
        for i, t in enumerate(order.expressions)
    )
    holes = {f"o{i}": ctx.collated(t.this) for i, t in enumerate(order.expressions)}
    if ctx.dialect == "postgres":
        made = ctx.fill(f"string_agg(:x, :s ORDER BY {terms})", x=text, s=separator, **holes)
        return over(made)
    return over(exp.WithinGroup(
        this=exp.Anonymous(this="listagg", expressions=[text, separator]),
        expression=exp.Order(expressions=[t.copy() for t in order.expressions]),
    ))  # fmt: skip


def _nulls(term: Any) -> str:
    return "FIRST" if term.args.get("nulls_first") else "LAST"


def _median(ctx: Context, node: Any, value: Any, over: Any) -> Any:
    return _percentile(ctx, node, value, exp.Literal.number("0.5"), over)


def _quantile(ctx: Context, node: Any, value: Any, over: Any) -> Any:
    share = node.expressions[1]
    if not isinstance(share, exp.Literal):
        raise ctx.refuse(node, "a share that is computed can't be made the same on", "write one number")
    return _percentile(ctx, node, value, share, over)


def _percentile(ctx: Context, node: Any, value: Any, share: Any, over: Any) -> Any:
    if ctx.family(value) not in ("integer", "float"):
        raise ctx.refuse(node, "a quantile of this type is not the same on", "cast it to DOUBLE first")
    wide = ctx.cast(value, "DOUBLE")
    if ctx.dialect == "postgres":
        return over(ctx.fill(f"percentile_cont({share.name}) WITHIN GROUP (ORDER BY :x)", x=wide))
    return over(exp.Anonymous(this="percentile", expressions=[wide, share.copy()]))


def _arg(name: str) -> Any:
    def rewrite(ctx: Context, node: Any, value: Any, over: Any) -> Any:
        raise ctx.refuse(
            node, "where several rows are as great it may give another one; it can't be made the same on",
            "use the deduplicate step, which breaks ties by all columns",
        )  # fmt: skip

    return rewrite


AGGREGATE_CALLS: dict[str, Any] = {
    "sum": _sum, "avg": _avg, "mean": _avg, "min": _ends("min"), "max": _ends("max"), "count": _count,
    "bool_and": _truths("bool_and"), "bool_or": _truths("bool_or"), "count_if": _count_if,
    "countif": _count_if,
    "string_agg": _string_agg, "group_concat": _string_agg, "listagg": _string_agg, "median": _median,
    "quantile_cont": _quantile, "arg_max": _arg("arg_max"), "arg_min": _arg("arg_min"),
    "max_by": _arg("max_by"), "min_by": _arg("min_by"),
}  # fmt: skip
"""DuckDB's aggregates that have a form here. The rewrite gets the call, its first argument, and what puts
FILTER and OVER around an aggregate."""

AGGREGATE_NODES: dict[type[Any], str] = {
    exp.Sum: "sum", exp.Avg: "avg", exp.Min: "min", exp.Max: "max", exp.Count: "count",
}  # fmt: skip
