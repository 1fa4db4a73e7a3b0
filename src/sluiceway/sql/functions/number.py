"""Functions of numbers."""

from __future__ import annotations

from sluiceway.sql.functions.base import table

__all__ = ["HALF_AWAY", "NUMBER"]

# Java's and PostgreSQL's rounding goes to the even neighbour or by the decimal text: DuckDB's goes away
# from zero, by the binary number. Above 2^52 a number is whole.
HALF_AWAY = {
    "spark": "CASE WHEN :a = 0 OR isnan(:a) OR abs(:a) >= 4503599627370496D THEN :a "
    "WHEN abs(:a - rint(:a)) = 0.5D THEN :a + 0.5D * signum(:a) ELSE rint(:a) END",
    "postgres": "CASE WHEN abs(:a - round(:a)) = 0.5 THEN :a + 0.5 * sign(:a) ELSE round(:a) END",
}
_FLOOR = (
    "CASE WHEN :a = 0 OR isnan(:a) OR abs(:a) >= 4503599627370496D THEN :a "
    "WHEN :a < 0 AND floor(:a) = 0 THEN -0.0D ELSE CAST(floor(:a) AS DOUBLE) END"
)
_CEIL = (
    "CASE WHEN :a = 0 OR isnan(:a) OR abs(:a) >= 4503599627370496D THEN :a "
    "WHEN :a < 0 AND ceil(:a) = 0 THEN -0.0D ELSE CAST(ceil(:a) AS DOUBLE) END"
)
_TRUNC = f"CASE WHEN :a < 0 THEN {_CEIL} ELSE {_FLOOR} END"

_SIGN = "CASE WHEN :a > 0 THEN 1 WHEN :a < 0 THEN -1 WHEN :a = 0 THEN 0 END"
_SQRT = (
    "CASE WHEN CAST(:a AS DOUBLE) < 0 THEN raise_error('a square root of a negative number') "
    "ELSE sqrt(CAST(:a AS DOUBLE)) END"
)

NUMBER = table(
    ("abs", "I", "abs(:a)", "="),
    ("abs", "F", "abs(:a)", "="),
    # Spark's abs() rounds to 34 digits
    ("abs", "C", "CAST(CASE WHEN :a < 0 THEN CAST(0 AS @T) - :a ELSE :a END AS @T)", "abs(:a)"),
    ("floor", "I", "CAST(:a AS DOUBLE)", "CAST(:a AS FLOAT8)"),
    ("ceil ceiling", "I", "CAST(:a AS DOUBLE)", "CAST(:a AS FLOAT8)"),
    ("floor", "C", "CAST(floor(:a) AS @T)", "="),
    ("ceil ceiling", "C", "CAST(ceil(:a) AS @T)", "="),
    ("floor", "F", f"CAST({_FLOOR} AS @T)", "floor(CAST(:a AS FLOAT8))"),
    ("ceil ceiling", "F", f"CAST({_CEIL} AS @T)", "ceil(CAST(:a AS FLOAT8))"),
    ("trunc", "I", ":a", "="),
    ("trunc", "C", "CAST(CASE WHEN :a < 0 THEN ceil(:a) ELSE floor(:a) END AS @T)", "CAST(trunc(:a) AS @T)"),
    ("trunc", "F", f"CAST({_TRUNC} AS @T)", "trunc(CAST(:a AS FLOAT8))"),
    ("round", "I", ":a", "="),
    ("round", "C", "CAST(round(:a, 0) AS @T)", "="),
    ("sign", "X", f"CAST({_SIGN} AS TINYINT)", "CAST(sign(:a) AS SMALLINT)"),
    ("sign", "F", f"CAST(CASE WHEN isnan(:a) THEN 0 ELSE {_SIGN} END AS TINYINT)",
     "CAST(CASE WHEN :a = 'NaN' THEN 0 ELSE sign(:a) END AS SMALLINT)"),
    ("sqrt", "N", _SQRT, "sqrt(CAST(:a AS FLOAT8))"),
    ("isnan", "F", "CASE WHEN :a IS NOT NULL THEN isnan(:a) END", ":a = 'NaN'"),
    ("isinf", "F", "abs(:a) = CAST('Infinity' AS DOUBLE)", "abs(:a) = 'Infinity'"),
    ("isfinite", "F", "NOT isnan(:a) AND abs(:a) <> CAST('Infinity' AS DOUBLE)",
     ":a NOT IN ('NaN', 'Infinity', '-Infinity')"),
    ("xor", "II", "CAST(:a AS @T) ^ CAST(:b AS @T)", "CAST(:a AS @T) # CAST(:b AS @T)"),
    ("bit_count", "I", "CAST(bit_count(:a) AS TINYINT)", None),
)  # fmt: skip
