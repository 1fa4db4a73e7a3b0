"""Primitives in the SQL of Spark 4, ANSI mode on, session time zone UTC."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from sluiceway.errors import PlanError
from sluiceway.sql.emit.spark_text import text
from sluiceway.sql.emit.template import Emitter, fill, text_of

__all__ = ["EMITTERS"]


def _fn(name: str) -> Emitter:
    return lambda *args: exp.Anonymous(this=name, expressions=list(args))


def _template(sql: str, *names: str) -> Emitter:
    return lambda *args: fill("spark", sql, **dict(zip(names, args, strict=True)))


def _string_of(value: exp.Expr, type_: exp.Expr, exact: exp.Expr | None = None) -> exp.Expr:
    """DuckDB writes one FLOAT in a hundred with more digits than it takes: the text here reads back as the
    same number, and that is not enough where texts are compared."""
    if exact is not None and "FLOAT" in text_of(type_).upper():
        raise PlanError(
            f"the text of a {text_of(type_)} is not always the same on Spark as on DuckDB",
            hint="cast the column to DOUBLE or DECIMAL in a step before",
        )
    return text(value, text_of(type_))


def _row_json(*pairs: exp.Expr) -> exp.Expr:
    options = fill("spark", "map('ignoreNullFields', 'false')")
    struct = exp.Anonymous(this="named_struct", expressions=list(pairs))
    return exp.Anonymous(this="to_json", expressions=[struct, options])


def _reasons(*args: exp.Expr) -> exp.Expr:
    cases = [exp.Case().when(condition, id_) for condition, id_ in zip(args[::2], args[1::2], strict=True)]
    listed = exp.Anonymous(this="array", expressions=cases)
    return fill("spark", "to_json(array_compact(:listed))", listed=listed)


def _list_json(*texts: exp.Expr) -> exp.Expr:
    return fill("spark", "to_json(:listed)", listed=exp.Anonymous(this="array", expressions=list(texts)))


EMITTERS: Mapping[str, Emitter] = {
    "concat": _fn("concat"),
    "count_distinct_dense": _template("nullif(COUNT(DISTINCT :x), 0)", "x", "low", "high"),
    "count_if": _fn("count_if"),
    "divide": _template("CAST(:a AS DOUBLE) / nullif(CAST(:b AS DOUBLE), 0)", "a", "b"),
    "hash64": _fn("xxhash64"),
    "hide": _template(
        "CASE WHEN length(:t) <= :n THEN repeat('*', length(:t)) "
        "ELSE concat(repeat('*', length(:t) - :n), right(:t, :n)) END",
        "t", "n",
    ),
    "hmac_sha256": _template(
        "sha2(concat(CAST(:outer AS BINARY), unhex(sha2(concat(CAST(:inner AS BINARY), "
        "encode(:t, 'UTF-8')), 256))), 256)",
        "t", "inner", "outer",
    ),
    "is_finite": _template("NOT isnan(:x) AND abs(:x) <> CAST('Infinity' AS DOUBLE)", "x"),
    "is_nan": _template("CASE WHEN :x IS NOT NULL THEN isnan(:x) END", "x"),
    "length": _fn("length"),
    "list_json": _list_json,
    "reasons_json": _reasons,
    "row_id": _fn("monotonically_increasing_id"),
    "row_json": _row_json,
    "sha256": _template("sha2(:t, 256)", "t"),
    "string_of": _string_of,
    "substring": _fn("substring"),
}  # fmt: skip
