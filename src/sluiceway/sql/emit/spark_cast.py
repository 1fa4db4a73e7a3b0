"""Casts on Spark that give what DuckDB's give: rounding, what counts as a number, as a date, as true.

Spark truncates 1.5 to an integer, reads '2024' as a date and '1.5d' as a number. A text is sorted by its
shape first: the shapes that both read alike are cast, what DuckDB refuses is refused (NULL where the cast
may fail), and the few forms that only DuckDB reads (1_000, 0x1F, 'infinity' as a date) stop the run.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sluiceway.errors import PlanError
from sluiceway.schema import family
from sluiceway.sql.emit.shapes import PAIRS, with_parts
from sluiceway.sql.emit.spark_text import text as text_of_value
from sluiceway.sql.emit.template import fill
from sluiceway.sql.emit.types import canonical
from sluiceway.sql.types import to_engine

if TYPE_CHECKING:
    from sqlglot import exp

__all__ = ["cast"]

_BLANK = r"[ \\t\\n\\x0B\\f\\r]"
_TRIM = rf"regexp_replace(:x, '^{_BLANK}+|{_BLANK}+\\z', '')"
_PARTS = {
    # most texts are plain: their shape is known without a copy that has no blanks around it
    "plain": r":x RLIKE '\\A-?[0-9]+([.][0-9]+)?\\z'",
    "plain_day": r":x RLIKE '\\A[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}\\z'",
    "plain_stamp": r":x RLIKE '\\A[1-9][0-9]{3}-[0-9]{2}-[0-9]{2} ([01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}"
    r"([.][0-9]{1,6})?\\z'",
    "number": r"\\A[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]{1,4})?\\z",
    "odd_number": r"\\A[+-]?(0[xXbB][0-9A-Fa-f_]+|[0-9._]*_[0-9._]*([eE][+-]?[0-9_]+)?|[0-9.]+[eE][+-]?"
    r"([0-9]{5,}|[0-9]*_[0-9_]*))\\z",
    "stop": "raise_error(concat('only DuckDB reads this text: ', :x))",
    "day": r"\\A([0-9]{1,4})([-/ ])([0-9]{1,2})\\2([0-9]{1,2})",
    "odd_day": r"^[-+]?[0-9]{5,}[-/ ]|^-[0-9]+-|^0+[-/ ]|[(]bc[)]|^(epoch|[+-]?inf(inity)?)$",
    "clock": r"([ T] *([0-9]{1,2}):([0-9]{1,2})(:([0-9]{1,2})([.][0-9]*)?)?(Z| "
    r"UTC|[+-][0-9]{2}(:?[0-9]{2})?)?)?\\z",
}
# DECIMAL rounds half away from zero, as DuckDB does with a text
_INTEGER = (
    "CASE WHEN @plain THEN @cast(@cast(:x AS DECIMAL(38, 0)) AS @to) "
    "WHEN :t RLIKE '@number' THEN @cast(@cast(:t AS DECIMAL(38, 0)) AS @to) "
    "WHEN :t RLIKE '@odd_number' THEN @stop ELSE @bad END"
)
_DECIMAL = (
    "CASE WHEN @plain THEN @cast(:x AS @to) WHEN :t RLIKE '@number' THEN @cast(:t AS @to) "
    "WHEN :t RLIKE '@odd_number' THEN @stop ELSE @bad END"
)
_FLOATING = (
    "CASE WHEN @plain OR :t RLIKE '@number' THEN CAST(:t AS @to) "
    "WHEN lower(:t) = 'nan' THEN CAST('NaN' AS @to) "
    "WHEN lower(:t) IN ('inf', '+inf', 'infinity', '+infinity') THEN CAST('Infinity' AS @to) "
    "WHEN lower(:t) IN ('-inf', '-infinity') THEN CAST('-Infinity' AS @to) "
    "WHEN :t RLIKE '@odd_number' OR lower(:t) IN ('+nan', '-nan') THEN @stop ELSE @bad END"
)
_BOOLEAN = (
    "CASE WHEN lower(:x) IN ('true', 't', 'yes', 'y', '1') THEN TRUE "
    "WHEN lower(:x) IN ('false', 'f', 'no', 'n', '0') THEN FALSE ELSE @bad END"
)
_DAY = (
    "concat(lpad(regexp_extract(:t, '@day', 1), 4, '0'), '-', lpad(regexp_extract(:t, '@day', 3), 2, '0'), "
    "'-', lpad(regexp_extract(:t, '@day', 4), 2, '0'))"
)
_DATE = (
    "CASE WHEN @plain_day THEN @cast(:x AS DATE) WHEN lower(:t) RLIKE '@odd_day' THEN @stop "
    "WHEN :t RLIKE '@day(?![0-9])' THEN @cast(@date AS DATE) ELSE @bad END"
)
_ZONE = (
    "CASE WHEN regexp_extract(:t, '@day@clock', 11) RLIKE '^[+-]' THEN concat(substr(regexp_extract(:t, "
    "'@day@clock', 11), 1, 3), ':', lpad(regexp_replace(regexp_extract(:t, '@day@clock', 12), ':', "
    "''), 2, '0')) "
    "ELSE '+00:00' END"
)
_STAMP = (
    "CASE WHEN @plain_stamp THEN @cast(:x AS @to) "
    "WHEN lower(:t) RLIKE '@odd_day' OR :t RLIKE '[ T]24:0*[0:.]*' OR @named THEN @stop "
    "WHEN :t RLIKE '@day$' AND :x RLIKE '[ @tab]$' THEN @bad WHEN :t RLIKE '@day@clock' THEN "
    "@cast(concat(@date, ' ', "
    "lpad(regexp_extract(:t, '@day@clock', 6), 2, '0'), ':', lpad(regexp_extract(:t, '@day@clock', "
    "7), 2, '0'), "
    "':', lpad(regexp_extract(:t, '@day@clock', 9), 2, '0'), '.', "
    "rpad(substr(regexp_extract(:t, '@day@clock', 10), 2, 6), 6, '0')@zone) AS @to) ELSE @bad END"
)
_NAMED_ZONE = "(:t RLIKE '[0-9] [A-Za-z]+(/[A-Za-z_]+)*$' AND :t NOT LIKE '% UTC')"
_UUID = (
    r"CASE WHEN :t RLIKE "
    r"'\\A([{]@hex{8}(-@hex{4}){3}-@hex{12}[}]|@hex{8}(-@hex{4}){3}-@hex{12}|@hex{32})\\z' "
    "THEN regexp_replace(lower(regexp_replace(:t, '[{}-]', '')), "
    r"'\\A(.{8})(.{4})(.{4})(.{4})(.{12})\\z', '$1-$2-$3-$4-$5') ELSE @bad END"
)
_READ = {
    "integer": _INTEGER, "decimal": _DECIMAL, "float": _FLOATING, "boolean": _BOOLEAN, "date": _DATE,
    "timestamp": _STAMP, "timestamptz": _STAMP, "uuid": _UUID,
}  # fmt: skip
# DuckDB multiplies and rounds half away from zero, in binary. Spark would take the number's shortest text
# for it, so the whole number is put together out of two halves that are exact.
_HALF_AWAY = "CASE WHEN abs(:v - rint(:v)) = 0.5D THEN :v + 0.5D * signum(:v) ELSE rint(:v) END"
_WHOLE = (
    "CAST(floor(abs(:r) / 9.223372036854775808E18D) AS DECIMAL(19, 0)) * CAST(9223372036854775808 AS "
    "DECIMAL(19, 0)) "
    "+ CAST(CAST(abs(:r) - floor(abs(:r) / 9.223372036854775808E18D) * 9.223372036854775808E18D AS BIGINT) "
    "AS DECIMAL(19, 0))"
)
_POINT = (
    "@cast(concat(CASE WHEN :r < 0 THEN '-' ELSE '' END, "
    "regexp_replace(lpad(CAST(:w AS STRING), greatest(length(CAST(:w AS STRING)), @more), '0'), "
    "'([0-9]{@scale})$', '.$1')) AS @to)"
)


def cast(value: exp.Expr, of: str, to: str, *, safe: bool) -> exp.Expr:
    """``CAST(value AS to)``, or ``TRY_CAST`` where ``safe``, for a value of type ``of`` (DuckDB's types).

    Raises:
        PlanError: Spark can't hold one of the types, or there is no such cast.
    """
    of, to = (canonical(t) if family(t) == "unknown" else t for t in (of, to))  # another name for a type
    target, group, source = to_engine(to, "spark"), family(to), family(of)
    word = "TRY_CAST" if safe else "CAST"
    if of.upper() == to.upper():
        return value
    if group == "text":
        return text_of_value(value, of)
    if of.upper() == '"NULL"':
        return fill("spark", f"CAST(:x AS {target})", x=value)
    if source == "text" and group in _READ:
        return _read(value, to, target, group, word)
    _not_single(of, group)
    if source == "decimal" and to.upper() == "DOUBLE":
        return _double(value, of)
    if source == "float" and group == "decimal":
        return _decimal(value, to, target, word)
    if source == "float" and group == "integer":
        return fill("spark", f"{word}(rint(:x) AS {target})", x=value)
    if source == "decimal" and group == "integer":
        return fill("spark", f"{word}(round(:x, 0) AS {target})", x=value)
    if (source, group) == ("float", "float") and to.upper() == "FLOAT":
        return _narrow(value, safe=safe)
    if group == "boolean" and source in ("integer", "decimal", "float"):
        return fill("spark", ":x <> 0", x=value)
    if (source, group) in PAIRS:
        return fill("spark", f"{word}(:x AS {target})", x=value)
    raise PlanError(
        f"a cast of {of} to {to} can't be made the same on Spark as on DuckDB",
        hint="cast in two steps, by VARCHAR, or leave it to a step on DuckDB",
    )


def _not_single(of: str, group: str) -> None:
    if of.upper() == "FLOAT" and group == "decimal":
        raise PlanError(
            "DuckDB computes a cast of FLOAT to DECIMAL in single precision, and Spark does not",
            hint="cast to DOUBLE first: CAST(CAST(x AS DOUBLE) AS DECIMAL(18,2))",
        )


def _read(value: exp.Expr, to: str, target: str, group: str, word: str) -> exp.Expr:
    """A text as something else."""
    trimmed = fill("spark", _TRIM, x=value)
    parts = {
        **_PARTS,
        "to": target,
        "cast": word,
        "date": _DAY,
        "bad": "NULL" if word == "TRY_CAST" else f"raise_error(concat('not a {to}: ', :x))",
        "zone": f", {_ZONE}" if group == "timestamptz" else "",
        "named": _NAMED_ZONE if group == "timestamptz" else "FALSE",
        "hex": "[0-9A-Fa-f]",
        "tab": r"\\t\\n\\x0B\\f\\r",
    }
    made = fill("spark", with_parts(_READ[group], parts), x=value, t=trimmed)
    # without a branch that is never NULL the type of the whole would be that of raise_error
    return fill("spark", f"CASE WHEN :x IS NOT NULL THEN CAST(:made AS {target}) END", x=value, made=made)


def _decimal(value: exp.Expr, to: str, target: str, word: str) -> exp.Expr:
    scale = int(re.findall(r"\d+", to)[1])
    scaled = fill("spark", f"CAST(:x AS DOUBLE) * 1E{scale}D", x=value)
    rounded = fill("spark", _HALF_AWAY, v=scaled)
    parts = {"cast": word, "to": target, "scale": str(scale), "more": str(scale + 1)}
    exact = fill("spark", with_parts(_POINT, parts), r=rounded, w=fill("spark", _WHOLE, r=rounded))
    bad = "NULL" if word == "TRY_CAST" else f"raise_error(concat('not a {to}: ', :x))"
    return fill(
        "spark",
        "CASE WHEN NOT isnan(:x) AND abs(:r) < 1E38D THEN :exact "
        f"WHEN :x IS NOT NULL THEN {bad} END",
        x=value, r=rounded, exact=exact,
    )  # fmt: skip


def _double(value: exp.Expr, of: str) -> exp.Expr:
    """What has more digits than a double is cast in two parts, which rounds twice, as DuckDB does."""
    width, scale = (int(n) for n in re.findall(r"\d+", of))
    if width <= 15 or not scale:
        return fill("spark", "CAST(:x AS DOUBLE)", x=value)
    # in texts: Spark's abs(), % and minus sign round to 34 digits
    return fill(
        "spark",
        f"CASE WHEN :x BETWEEN -{2**53 // 10**scale} AND {2**53 // 10**scale} THEN CAST(:x AS DOUBLE) "
        "ELSE CAST(substring_index(CAST(:x AS STRING), '.', 1) AS DOUBLE) + CASE WHEN :x < 0 THEN -1 "
        "ELSE 1 END "
        f"* CAST(substring_index(CAST(:x AS STRING), '.', -1) AS DOUBLE) / 1E{scale}D END",
        x=value,
    )


def _narrow(value: exp.Expr, *, safe: bool) -> exp.Expr:
    """DuckDB refuses what a FLOAT can't hold; Spark makes infinity of it."""
    bad = "NULL" if safe else "raise_error(concat('not a FLOAT: ', :x))"
    return fill(
        "spark",
        "CASE WHEN abs(:x) > 3.4028234663852886E38D AND abs(:x) < CAST('Infinity' AS DOUBLE) "
        f"THEN {bad} ELSE CAST(:x AS FLOAT) END",
        x=value,
    )
