"""Functions of users' SQL on Snowflake: a smaller list, of what its manual leaves no doubt."""

from __future__ import annotations

from sluiceway.sql.functions.base import Function

__all__ = ["PARTS", "SNOWFLAKE"]

PARTS = {
    unit: f"CAST(date_part({word}, :a) AS NUMBER(38, 0))"
    for unit, word in {
        "year": "year", "quarter": "quarter", "month": "month", "day": "day", "dayofyear": "dayofyear",
        "isodow": "dayofweekiso", "hour": "hour", "minute": "minute", "second": "second",
    }.items()
}  # fmt: skip
"""Unit -> how a date or time gives it."""

_FLOOR, _CEIL = "CAST(floor(:a) AS @T)", "CAST(ceil(:a) AS @T)"
_ROWS = (
    ("length len char_length character_length", "T", "length(:a)"),
    ("trim", "T", "trim(:a)"),
    ("left", "TI+", "left(:a, :b)"),
    ("right", "TI+", "right(:a, :b)"),
    ("substring substr", "TI+", "substr(:a, :b)"),
    ("substring substr", "TI+I+", "substr(:a, :b, :c)"),
    ("replace", "TT!T", "replace(:a, :b, :c)"),
    ("starts_with prefix", "TT", "startswith(:a, :b)"),
    ("ends_with suffix", "TT", "endswith(:a, :b)"),
    ("contains", "TT", "contains(:a, :b)"),
    ("strpos instr position", "TT", "CAST(charindex(:b, :a) AS NUMBER(38, 0))"),
    ("split_part", "TT!I+", "split_part(:a, :b, :c)"),
    ("md5", "T", "md5(:a)"),
    ("sha256", "T", "sha2(:a, 256)"),
    ("abs", "I", "abs(:a)"),
    ("abs", "C", "CAST(abs(:a) AS @T)"),
    ("abs", "F", "abs(:a)"),
    ("floor", "I", "CAST(:a AS FLOAT)"),
    ("ceil ceiling", "I", "CAST(:a AS FLOAT)"),
    ("floor", "C", _FLOOR),
    ("ceil ceiling", "C", _CEIL),
    ("floor", "F", "floor(:a)"),
    ("ceil ceiling", "F", "ceil(:a)"),
    ("round", "I", ":a"),
    ("round", "C", "CAST(round(:a, 0) AS @T)"),
    ("sign", "X", "CAST(sign(:a) AS NUMBER(38, 0))"),
    ("last_day", "M", "last_day(CAST(:a AS DATE))"),
    *((unit, "M" if unit not in ("hour", "minute", "second") else "O", text) for unit, text in PARTS.items()),
)

SNOWFLAKE = tuple(
    Function(name, args, snowflake=template) for names, args, template in _ROWS for name in names.split()
)
