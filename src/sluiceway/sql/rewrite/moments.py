"""date_trunc, date_part, date_diff and strftime: their unit or format is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlglot import exp

from sluiceway.sql.functions.snowflake import PARTS as SNOWFLAKE_PARTS
from sluiceway.sql.functions.time import PARTS, SAME_UNIT, TRUNC_UNITS

if TYPE_CHECKING:
    from sluiceway.sql.rewrite.context import Context

__all__ = ["FORMATS", "MOMENTS"]

_TIMES = ("date", "timestamp", "timestamptz")
_SPAN = {
    "hour": 3_600_000_000, "minute": 60_000_000, "second": 1_000_000, "millisecond": 1000, "microsecond": 1,
}  # fmt: skip
_FINE = ("hour", "minute", "second", "millisecond", "microsecond")


def _unit(ctx: Context, node: Any, arg: Any, known: Any) -> str:
    name = str(arg.name).lower()
    name = SAME_UNIT.get(name, name)
    if not isinstance(arg, exp.Literal | exp.Var) or name not in known:
        raise ctx.refuse(node, f"the unit '{arg.name}' is not the same on", f"use one of: {', '.join(known)}")
    return name


def _moment(ctx: Context, node: Any, arg: Any) -> str:
    group = ctx.family(arg)
    if group not in _TIMES:
        raise ctx.refuse(node, f"{ctx.type(arg)} is not looked at alike on", "cast it to TIMESTAMP")
    return group


def _trunc(ctx: Context, node: Any, args: list[Any]) -> Any:
    unit = _unit(ctx, node, args[0], TRUNC_UNITS)
    _moment(ctx, node, args[1])
    to = ctx.type(node)
    value = ctx.cast(args[1], to)
    if ctx.dialect == "snowflake":
        return ctx.fill(f"CAST(date_trunc('{unit}', :a) AS {ctx.spelled(to)})", a=value)
    return ctx.fill(
        f"CAST(date_trunc('{unit.upper()}', :a) AS {ctx.spelled(to)})",
        f"date_trunc('{unit}', :a)"
        if unit not in ("millisecond", "microsecond")
        else f"date_trunc('{unit}s', :a)",
        a=value,
    )


def _part(ctx: Context, node: Any, args: list[Any]) -> Any:
    if ctx.dialect == "snowflake":
        unit = _unit(ctx, node, args[0], SNOWFLAKE_PARTS)
        if unit in _FINE and ctx.family(args[1]) == "date":
            return ctx.fill("CASE WHEN :a IS NOT NULL THEN 0 END", a=args[1])
        _moment(ctx, node, args[1])
        return ctx.fill(SNOWFLAKE_PARTS[unit], a=args[1])
    known = [
        unit for unit, (spark, postgres) in PARTS.items() if (spark if ctx.dialect == "spark" else postgres)
    ]
    unit = _unit(ctx, node, args[0], known)
    group = _moment(ctx, node, args[1])
    if unit in _FINE and group == "date":
        return ctx.fill("CASE WHEN :a IS NOT NULL THEN CAST(0 AS BIGINT) END", a=args[1])
    spark, postgres = PARTS[unit]
    return ctx.fill(spark or "", postgres, a=args[1])


_MICROS = ("unix_micros(CAST(:x AS TIMESTAMP))", "CAST(EXTRACT(EPOCH FROM :x) * 1000000 AS BIGINT)")
# how many whole spans lie before the moment, also before 1970
_FLOOR_S = "(:x - pmod(:x, CAST(@ AS BIGINT))) div CAST(@ AS BIGINT)"
_FLOOR_P = "(:x - ((:x % @) + @) % @) / @"


def _diff(ctx: Context, node: Any, args: list[Any]) -> Any:
    """Boundaries of the unit that lie between, not elapsed units."""
    unit = _unit(ctx, node, args[0], ("year", "quarter", "month", "week", "day", *_SPAN))
    for arg in args[1:]:
        _moment(ctx, node, arg)
    if ctx.dialect == "snowflake":
        if unit in ("week", "millisecond", "microsecond"):
            raise ctx.refuse(node, f"the unit '{unit}' is not the same on", "count days or seconds")
        return ctx.fill(f"CAST(datediff({unit}, :a, :b) AS NUMBER(38, 0))", a=args[1], b=args[2])
    low, high = (_count(ctx, "day" if unit == "week" else unit, arg) for arg in args[1:])
    if unit == "week":  # DuckDB's one unit that is counted whole
        return ctx.fill("(:b - :a) div 7", "(:b - :a) / 7", a=low, b=high)
    return ctx.fill(":b - :a", a=low, b=high)


def _count(ctx: Context, unit: str, moment: Any) -> Any:
    """The number of the year, quarter, … in which ``moment`` lies."""
    if unit == "day":
        return ctx.fill("CAST(datediff(CAST(:x AS DATE), DATE'1970-01-01') AS BIGINT)",
                        "CAST(CAST(:x AS DATE) - DATE '1970-01-01' AS BIGINT)", x=moment)  # fmt: skip
    if unit not in _SPAN:
        year = ctx.fill(*_both(PARTS["year"]), a=moment)
        if unit == "year":
            return year
        part, size = ctx.fill(*_both(PARTS[unit]), a=moment), 4 if unit == "quarter" else 12
        return ctx.fill(f":y * {size} + :p", y=year, p=part)
    micros = ctx.fill(*_MICROS, x=moment)
    span = str(_SPAN[unit])
    return ctx.fill(_FLOOR_S.replace("@", span), _FLOOR_P.replace("@", span), x=micros)


def _both(templates: tuple[str | None, str | None]) -> tuple[str, str]:
    return templates[0] or "", templates[1] or ""


FORMATS: dict[str, tuple[str, str]] = {
    "%Y": ("yyyy", "YYYY"), "%y": ("yy", "YY"), "%m": ("MM", "MM"), "%d": ("dd", "DD"), "%H": ("HH", "HH24"),
    "%I": ("hh", "HH12"), "%M": ("mm", "MI"), "%S": ("ss", "SS"), "%f": ("SSSSSS", "US"), "%p": ("a", "AM"),
    "%j": ("DDD", "DDD"), "%b": ("MMM", "Mon"), "%B": ("MMMM", "FMMonth"), "%a": ("EEE", "Dy"),
    "%A": ("EEEE", "FMDay"),
}  # fmt: skip
"""strftime's words in Spark's and PostgreSQL's."""


def _strftime(ctx: Context, node: Any, args: list[Any]) -> Any:
    moment, format_ = (args[1], args[0]) if ctx.family(args[0]) == "text" else (args[0], args[1])
    if not isinstance(format_, exp.Literal):
        raise ctx.refuse(node, "a format that is computed can't be made the same on", "write the format out")
    group = _moment(ctx, node, moment)
    parts, plain, at = [], "", 0
    while at < len(format_.name):
        word = format_.name[at : at + 2]
        if word in FORMATS:
            parts += [_quoted(ctx.dialect, plain), FORMATS[word][ctx.dialect == "postgres"]]
            plain = ""
        elif word == "%%" or word[0] != "%":
            plain += word[0]
        else:
            raise ctx.refuse(node, f"{word} in a format is not the same on", f"use: {' '.join(FORMATS)}")
        at += 1 if word[0] != "%" else 2
    made = exp.Literal.string("".join([*parts, _quoted(ctx.dialect, plain)]))
    value = moment if group != "timestamptz" else ctx.cast(moment, "TIMESTAMP")
    return ctx.fill("date_format(:a, :f)", "to_char(:a, :f)", a=value, f=made)


def _quoted(dialect: str, plain: str) -> str:
    """Text within a format that stands for itself."""
    if not plain:
        return ""
    if dialect == "spark":
        return "'" + plain.replace("'", "''") + "'"
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'


MOMENTS: dict[str, Any] = {
    "date_trunc": _trunc, "datetrunc": _trunc, "date_part": _part, "datepart": _part, "date_diff": _diff,
    "datediff": _diff, "strftime": _strftime,
}  # fmt: skip
