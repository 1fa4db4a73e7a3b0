"""Casts on PostgreSQL that give what DuckDB's give; as in ``spark_cast`` a text is sorted by its shape.

PostgreSQL 15 has no cast that may fail: where a value might not fit, its bounds are looked at first. What
must stop the run is a cast of a text that names the trouble.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sluiceway.errors import PlanError
from sluiceway.schema import family
from sluiceway.sql.emit.postgres_text import text as text_of_value
from sluiceway.sql.emit.shapes import PAIRS, with_parts
from sluiceway.sql.emit.template import fill
from sluiceway.sql.types import to_engine

if TYPE_CHECKING:
    from sqlglot import exp

__all__ = ["cast"]

_TRIM = r"btrim(:x, E' \t\n\x0B\f\r')"
_PARTS = {
    "number": r"^[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]{1,4})?$",
    "odd_number": r"^[+-]?(0[xXbB][0-9A-Fa-f_]+|[0-9._]*_[0-9._]*([eE][+-]?[0-9_]+)?|[0-9.]+[eE][+-]?"
    r"([0-9]{5,}|[0-9]*_[0-9_]*))$",
    "stop": "CAST('only DuckDB reads this text: ' || :x AS @to)",
    "day": r"^([0-9]{1,4})([-/ ])([0-9]{1,2})\2([0-9]{1,2})",
    "odd_day": r"^[-+]?[0-9]{5,}[-/ ]|^-[0-9]+-|^0+[-/ ]|[(]bc[)]|^(epoch|[+-]?inf(inity)?)$",
    "clock": r"([ T] *([0-9]{1,2}):([0-9]{1,2})(:([0-9]{1,2})([.][0-9]*)?)?(Z| "
    r"UTC|[+-][0-9]{2}(:?[0-9]{2})?)?)?$",
    "hex": "[0-9A-Fa-f]",
    "tab": r"\t\n\v\f\r",
}
_NUMERIC = (
    "CASE WHEN :t ~ '@number' THEN CASE WHEN round(CAST(:t AS NUMERIC), @scale) BETWEEN -@most AND @most_up "
    "THEN CAST(round(CAST(:t AS NUMERIC), @scale) AS @to) ELSE @bad END "
    "WHEN :t ~ '@odd_number' THEN @stop ELSE @bad END"
)
_FLOATING = (
    "CASE WHEN :t ~ '@number' THEN CASE "
    "WHEN abs(CAST(:t AS NUMERIC)) > @greatest THEN CASE WHEN :t LIKE '-%' THEN '-Infinity' ELSE "
    "'Infinity' END "
    "WHEN abs(CAST(:t AS NUMERIC)) < @least THEN CASE WHEN :t LIKE '-%' THEN '-0' ELSE '0' END "
    "ELSE :t END WHEN lower(:t) = 'nan' THEN 'NaN' "
    "WHEN lower(:t) IN ('inf', '+inf', 'infinity', '+infinity') THEN 'Infinity' "
    "WHEN lower(:t) IN ('-inf', '-infinity') THEN '-Infinity' "
    "WHEN :t ~ '@odd_number' OR lower(:t) IN ('+nan', '-nan') THEN 'only DuckDB reads this text: ' || :x "
    "ELSE @bad_text END"
)
_BOOLEAN = (
    "CASE WHEN lower(:x) IN ('true', 't', 'yes', 'y', '1') THEN TRUE "
    "WHEN lower(:x) IN ('false', 'f', 'no', 'n', '0') THEN FALSE ELSE @bad END"
)
_PART = "CAST((regexp_match(:t, '@day'))[{}] AS INT)"
_YEAR, _MONTH, _DAY = (_PART.replace("{}", n) for n in ("1", "3", "4"))
_EXISTS = (
    f"{_YEAR} > 0 AND {_MONTH} BETWEEN 1 AND 12 AND {_DAY} BETWEEN 1 AND CASE WHEN {_MONTH} = 2 THEN "
    f"CASE WHEN {_YEAR} % 4 = 0 AND ({_YEAR} % 100 <> 0 OR {_YEAR} % 400 = 0) THEN 29 ELSE 28 END "
    f"WHEN {_MONTH} IN (4, 6, 9, 11) THEN 30 ELSE 31 END"
)
_DATE = (
    "CASE WHEN lower(:t) ~ '@odd_day' THEN @stop WHEN :t ~ '@day(?![0-9])' "
    f"THEN CASE WHEN {_EXISTS} THEN make_date({_YEAR}, {_MONTH}, {_DAY}) ELSE @bad END ELSE @bad END"
)
_CLOCK = "CAST(coalesce((regexp_match(:t, '@all'))[{}], '0') AS INT)"
_HOUR, _MINUTE, _SECOND = (_CLOCK.replace("{}", n) for n in ("@h", "@m", "@s"))
_OFFSET = (
    "CASE WHEN (regexp_match(:t, '@all'))[11] ~ '^[+-]' THEN make_interval(hours => "
    "CAST(left((regexp_match(:t, '@all'))[11], 3) AS INT), mins => CAST(left((regexp_match(:t, "
    "'@all'))[11], 1) "
    "|| coalesce(right(replace((regexp_match(:t, '@all'))[12], ':', ''), 2), '0') AS INT)) "
    "ELSE make_interval() END"
)
_TIME = (
    f"make_interval(hours => {_HOUR}, mins => {_MINUTE}, secs => CAST({_SECOND} || '.' || "
    "rpad(left(substr(coalesce((regexp_match(:t, '@all'))[@f], '.'), 2), 6), 6, '0') AS FLOAT8))"
)
_STAMP = (
    "CASE WHEN lower(:t) ~ '@odd_day' OR :t ~ '[ T]24:0*[0:.]*' OR @named THEN @stop "
    f"WHEN :t ~ '@day$' AND :x ~ '[ @tab]$' THEN @bad WHEN :t ~ '@all' THEN CASE WHEN {_EXISTS} AND "
    f"{_HOUR} < 24 AND {_MINUTE} < 60 AND {_SECOND} < 60 "
    f"THEN CAST(CAST(make_date({_YEAR}, {_MONTH}, {_DAY}) AS TIMESTAMP) + {_TIME}@zone AS @to) "
    "ELSE @bad END ELSE @bad END"
)
_NAMED_ZONE = "(:t ~ '[0-9] [A-Za-z]+(/[A-Za-z_]+)*$' AND :t NOT LIKE '% UTC')"
_OF_DAY = (
    "CASE WHEN :t ~ '^24:0*[0:.]*' OR :t ~ '^[0-9]+[-/ ]' THEN @stop "
    f"WHEN :t ~ '@all' THEN CASE WHEN {_HOUR} < 24 AND {_MINUTE} < 60 AND {_SECOND} < 60 "
    f"THEN CAST({_TIME} AS TIME) ELSE @bad END ELSE @bad END"
)
_UUID = (
    "CASE WHEN :t ~ '^([{]@hex{8}(-@hex{4}){3}-@hex{12}[}]|@hex{8}(-@hex{4}){3}-@hex{12}|@hex{32})$' "
    "THEN CAST(:t AS UUID) ELSE @bad END"
)
_DAY_AND_CLOCK = {"all": "@day@clock", "h": "6", "m": "7", "s": "9", "f": "10"}
_CLOCK_ALONE = {
    "all": r"^([0-9]{1,2}):([0-9]{1,2})(:([0-9]{1,2})([.][0-9]*)?)?(Z| UTC|[+-][0-9]{2}(:?[0-9]{2})?)?$",
    "h": "1", "m": "2", "s": "4", "f": "5",
}  # fmt: skip
_READ = {
    "integer": _NUMERIC, "decimal": _NUMERIC, "boolean": _BOOLEAN, "date": _DATE, "timestamp": _STAMP,
    "timestamptz": _STAMP, "time": _OF_DAY, "uuid": _UUID,
}  # fmt: skip
_BITS = {"TINYINT": 7, "SMALLINT": 15, "INTEGER": 31, "BIGINT": 63}
_UNSIGNED = {"UTINYINT": 8, "USMALLINT": 16, "UINTEGER": 32, "UBIGINT": 64}
# PostgreSQL's cast of a float8 to numeric keeps 15 digits: the whole number is put together out of halves
_HALF_AWAY = "CASE WHEN abs(:v - round(:v)) = 0.5 THEN :v + 0.5 * sign(:v) ELSE round(:v) END"
_WHOLE = (
    "CAST(CAST(floor(abs(:r) / CAST(9223372036854775808 AS FLOAT8)) AS BIGINT) AS NUMERIC) * "
    "9223372036854775808 "
    "+ CAST(CAST(abs(:r) - floor(abs(:r) / CAST(9223372036854775808 AS FLOAT8)) "
    "* CAST(9223372036854775808 AS FLOAT8) AS BIGINT) AS NUMERIC)"
)


def bounds(type_: str) -> tuple[str, str, int]:
    """The least and greatest value of an integer or decimal type, and its digits behind the point.

    >>> bounds("TINYINT"), bounds("DECIMAL(4,1)")
    (('-128', '127', 0), ('-999.9', '999.9', 1))
    """
    upper = type_.upper()
    if upper in _BITS:
        return str(-(2 ** _BITS[upper])), str(2 ** _BITS[upper] - 1), 0
    if upper in _UNSIGNED:
        return "0", str(2 ** _UNSIGNED[upper] - 1), 0
    width, scale = (38, 0) if upper == "HUGEINT" else (int(n) for n in re.findall(r"\d+", upper))
    digits = "9" * width
    most = digits[: width - scale] + ("." + digits[width - scale :] if scale else "")
    return f"-{most}", most, scale


def cast(value: exp.Expr, of: str, to: str, *, safe: bool) -> exp.Expr:
    """``CAST(value AS to)``, or ``TRY_CAST`` where ``safe``, for a value of type ``of`` (DuckDB's types).

    Raises:
        PlanError: PostgreSQL can't hold one of the types, or there is no such cast.
    """
    target, group, source = to_engine(to, "postgres").upper(), family(to), family(of)
    if of.upper() == to.upper():
        return value
    if group == "text":
        return text_of_value(value, of)
    if of.upper() == '"NULL"':
        return fill("postgres", f"CAST(:x AS {target})", x=value)
    if source == "text" and group == "float":
        return _floating(value, to, target, safe=safe)
    if source == "text" and group in _READ:
        return _read(value, to, target, group, safe=safe)
    if source == "boolean" and group in ("integer", "decimal", "float"):
        return fill("postgres", f"CAST(CAST(:x AS INT) AS {target})", x=value)
    if group == "boolean" and source in ("integer", "decimal", "float"):
        return fill("postgres", ":x <> 0", x=value)
    if of.upper() == "FLOAT" and group == "decimal":
        raise PlanError(
            "DuckDB computes a cast of FLOAT to DECIMAL in single precision, and PostgreSQL does not",
            hint="cast to DOUBLE first: CAST(CAST(x AS DOUBLE) AS DECIMAL(18,2))",
        )
    if group in ("integer", "decimal") and source in ("integer", "decimal", "float"):
        return _number(value, source, to, target, safe=safe)
    if (source, group) == ("float", "float") and to.upper() == "FLOAT":
        return _narrow(value, safe=safe)
    if (source, group) in PAIRS:
        return fill("postgres", f"CAST(:x AS {target})", x=value)
    raise PlanError(
        f"a cast of {of} to {to} can't be made the same on PostgreSQL as on DuckDB",
        hint="cast in two steps, by VARCHAR, or leave it to a step on DuckDB",
    )


def _read(value: exp.Expr, to: str, target: str, group: str, *, safe: bool) -> exp.Expr:
    """A text as something else."""
    parts = {**_PARTS, **(_CLOCK_ALONE if group == "time" else _DAY_AND_CLOCK), "to": target}
    parts["bad"] = f"CAST(NULL AS {target})" if safe else f"CAST('not a {to}: ' || :x AS {target})"
    parts["zone"] = f" - {_OFFSET}" if group == "timestamptz" else ""
    parts["named"] = _NAMED_ZONE if group == "timestamptz" else "FALSE"
    if group in ("integer", "decimal"):
        low, high, scale = bounds(to)
        parts |= {"most": low.removeprefix("-"), "most_up": high, "scale": str(scale)}
    return fill("postgres", with_parts(_READ[group], parts), x=value, t=fill("postgres", _TRIM, x=value))


def _floating(value: exp.Expr, to: str, target: str, *, safe: bool) -> exp.Expr:
    wide = to.upper() == "DOUBLE"
    parts = {
        **_PARTS,
        "greatest": "1.797693134862315807e308" if wide else "3.40282356e38",
        "least": "2.4703282292062328e-324" if wide else "7.0064923216240854e-46",
        "bad_text": "NULL" if safe else f"'not a {to}: ' || :x",
    }
    made = fill("postgres", with_parts(_FLOATING, parts), x=value, t=fill("postgres", _TRIM, x=value))
    return fill("postgres", f"CAST(:made AS {target})", made=made)


def _number(value: exp.Expr, source: str, to: str, target: str, *, safe: bool) -> exp.Expr:
    low, high, scale = bounds(to)
    made = value
    if source == "float" and family(to) == "integer":
        made = fill("postgres", "round(CAST(:x AS FLOAT8))", x=value)
        if to.upper() == "HUGEINT":
            made = _whole(made)
    elif source == "float":
        scaled = fill("postgres", f"CAST(:x AS FLOAT8) * CAST('1e{scale}' AS FLOAT8)", x=value)
        whole = _whole(fill("postgres", _HALF_AWAY, v=scaled))
        made = fill("postgres", f"round(:w * CAST('1e-{scale}' AS NUMERIC), {scale})", w=whole)
    elif source == "decimal":
        made = fill("postgres", f"round(:x, {scale})", x=value)
    if source != "float" and not safe and to.upper() in ("SMALLINT", "INTEGER", "BIGINT"):
        return fill("postgres", f"CAST(:x AS {target})", x=made)
    bad = f"CAST(NULL AS {target})" if safe else f"CAST('not a {to}: ' || CAST(:x AS TEXT) AS {target})"
    guard = "" if source != "float" else f"abs(:x) > 1e38 OR :x = 'NaN' THEN {bad} WHEN "
    return fill(
        "postgres", f"CASE WHEN :x IS NULL THEN NULL WHEN {guard}:m BETWEEN {low} AND {high} "
        f"THEN CAST(:m AS {target}) ELSE {bad} END",
        x=value, m=made,
    )  # fmt: skip


def _whole(rounded: exp.Expr) -> exp.Expr:
    exact = fill("postgres", _WHOLE, r=rounded)
    return fill("postgres", "CASE WHEN :r < 0 THEN -(:w) ELSE :w END", r=rounded, w=exact)


def _narrow(value: exp.Expr, *, safe: bool) -> exp.Expr:
    bad = "NULL" if safe else "CAST('not a FLOAT: ' || CAST(:x AS TEXT) AS REAL)"
    return fill(
        "postgres",
        "CASE WHEN abs(:x) > 3.4028234663852886e38 AND abs(:x) < CAST('Infinity' AS FLOAT8) "
        f"THEN {bad} WHEN :x <> 0 AND abs(:x) < 7.0064923216240854e-46 "
        "THEN CASE WHEN :x < 0 THEN CAST('-0' AS REAL) ELSE CAST('0' AS REAL) END "
        "ELSE CAST(:x AS REAL) END",
        x=value,
    )
