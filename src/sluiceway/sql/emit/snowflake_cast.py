"""Casts in Snowflake's SQL that give what DuckDB's give, with DuckDB's limits; others are refused.

Its integers are numbers of 38 digits, so a narrower one of DuckDB's is a condition here: a value beyond it is
told by an error that names it, or NULL where the cast is a try.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sluiceway.errors import PlanError
from sluiceway.schema import family
from sluiceway.sql.emit.template import fill

if TYPE_CHECKING:
    from sqlglot import exp

__all__ = ["TEXTS", "cast", "number_type"]

# The casts, and zeros at the end that go by way of a number, are for the emulator: it forgets a format where
# it knows no type, and what rtrim() should take away.
_MICROS = "to_varchar(CAST(:x AS TIMESTAMP_NTZ(6)), 'FF6')"
_STAMP = (
    "concat(to_varchar(CAST(:x AS TIMESTAMP_NTZ(6)), 'YYYY-MM-DD HH24:MI:SS'), "
    f"CASE WHEN {_MICROS} = '000000' THEN '' "
    f"ELSE concat('.', reverse(to_varchar(CAST(reverse({_MICROS}) AS NUMBER(38, 0))))) END)"
)
TEXTS = {
    "text": ":x",
    "integer": "to_varchar(:x)",
    "decimal": "to_varchar(:x)",
    "boolean": "CASE WHEN :x THEN 'true' WHEN NOT :x THEN 'false' END",
    "date": "to_varchar(CAST(:x AS DATE), 'YYYY-MM-DD')",
    "timestamp": _STAMP,
    "timestamptz": "concat(" + _STAMP.replace(":x", "convert_timezone('UTC', :x)") + ", '+00')",
}
"""Family -> the text of a value, as DuckDB writes it."""

_BITS = {"TINYINT": 8, "SMALLINT": 16, "INTEGER": 32, "BIGINT": 64}
_UNSIGNED = {"UTINYINT": 8, "USMALLINT": 16, "UINTEGER": 32, "UBIGINT": 64}
_TIMES = {
    "date": "DATE", "timestamp": "TIMESTAMP_NTZ(6)", "timestamptz": "TIMESTAMP_LTZ(6)",
}  # fmt: skip
_WIDTH = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)")


def bounds(type_: str) -> tuple[int, int] | None:
    """The least and the greatest of an integer type.

    >>> bounds("TINYINT"), bounds("UBIGINT")
    ((-128, 127), (0, 18446744073709551615))
    """
    upper = type_.upper()
    if upper in _BITS:
        return -(2 ** (_BITS[upper] - 1)), 2 ** (_BITS[upper] - 1) - 1
    return (0, 2 ** _UNSIGNED[upper] - 1) if upper in _UNSIGNED else None


def number_type(type_: str) -> str:
    """NUMBER with the digits of DuckDB's ``type_``.

    >>> number_type("DECIMAL(9,2)"), number_type("BIGINT"), number_type("HUGEINT")
    ('NUMBER(9, 2)', 'NUMBER(38, 0)', 'NUMBER(38, 0)')
    """
    found = _WIDTH.fullmatch(type_.upper())
    if found:
        return f"NUMBER({found[1]}, {found[2]})"
    return "NUMBER(20, 0)" if type_.upper() == "UBIGINT" else "NUMBER(38, 0)"


def cast(value: exp.Expr, of: str, to: str, *, safe: bool = False) -> exp.Expr:
    """``value``, which has DuckDB's type ``of``, as ``to``.

    >>> from sqlglot import exp
    >>> cast(exp.column("a"), "INTEGER", "VARCHAR").sql("snowflake")
    'TO_VARCHAR(a)'

    Raises:
        PlanError: it would not be the same.
    """
    source, target = family(of), family(to)
    if target == "text" and source in TEXTS:
        return fill("snowflake", TEXTS[source], x=value)
    if source in ("integer", "decimal") and target in ("integer", "decimal"):
        return _number(value, of, to, safe=safe)
    if source in ("integer", "decimal") and to.upper() == "DOUBLE":
        return fill("snowflake", "CAST(:x AS FLOAT)", x=value)
    if source == "float" and to.upper() == "DOUBLE":
        return value
    if source == "boolean" and target in ("integer", "decimal"):
        return fill("snowflake", "CASE WHEN :x THEN 1 WHEN NOT :x THEN 0 END", x=value)
    if source in ("integer", "decimal", "float") and target == "boolean":
        return fill("snowflake", ":x <> 0", x=value)
    if source in _TIMES and target in _TIMES:
        return fill("snowflake", f"CAST(:x AS {_TIMES[target]})", x=value)
    raise PlanError(
        f"a cast of {of} to {to} can't be made the same on Snowflake as on DuckDB",
        hint="do it in a step on DuckDB, or read the column in that type",
    )


def _number(value: exp.Expr, of: str, to: str, *, safe: bool) -> exp.Expr:
    spelled, width = number_type(to), _WIDTH.fullmatch(to.upper())
    scale = int(width[2]) if width else 0
    rounded = value if family(of) == "integer" else fill("snowflake", f"round(:x, {scale})", x=value)
    if width:
        top = 10 ** (int(width[1]) - scale)
        if not safe:  # Snowflake tells by itself what does not fit
            return fill("snowflake", f"CAST(:x AS {spelled})", x=rounded)
        return fill(
            "snowflake", f"CASE WHEN :r > -{top} AND :r < {top} THEN CAST(:r AS {spelled}) END", r=rounded
        )
    mine, theirs = bounds(to), bounds(of)
    if mine is None or (theirs is not None and mine[0] <= theirs[0] and theirs[1] <= mine[1]):
        return fill("snowflake", f"CAST(:x AS {spelled})", x=rounded)
    fits = f"CASE WHEN :r BETWEEN {mine[0]} AND {mine[1]} THEN CAST(:r AS {spelled})"
    told = "" if safe else (
        f" WHEN :r IS NOT NULL THEN CAST(concat(to_varchar(:r), ' is no {to.upper()}') AS {spelled})"
    )  # fmt: skip
    return fill("snowflake", f"{fits}{told} END", r=rounded)
