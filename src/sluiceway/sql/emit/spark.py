"""Primitives in the SQL of Spark 4, ANSI mode on, session time zone UTC."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from sluiceway.errors import PlanError
from sluiceway.sql.emit.json_shape import is_json_spark as is_json
from sluiceway.sql.emit.shapes import listed_texts
from sluiceway.sql.emit.spark_cast import cast
from sluiceway.sql.emit.spark_text import text
from sluiceway.sql.emit.template import Emitter, fill, text_of
from sluiceway.sql.regex import regex
from sluiceway.sql.types import to_engine

__all__ = ["EMITTERS", "GENERATED"]

GENERATED = "sluiceway_generated_"
"""Begins a call that stands for a column of a generator until the whole SELECT is seen."""


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


def _try_cast(value: exp.Expr, type_: exp.Expr, of: exp.Expr | None = None) -> exp.Expr:
    return cast(value, text_of(of) if of is not None else "VARCHAR", text_of(type_), safe=True)


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


def _matches(text_: exp.Expr, pattern: exp.Expr) -> exp.Expr:
    java = regex(text_of(pattern), "spark", whole=True).text
    return fill("spark", ":t RLIKE :p", t=text_, p=exp.Literal.string(java))


def _mod97(value: exp.Expr) -> exp.Expr:
    """As on DuckDB, in decimals of 38 digits."""
    digits = fill("spark", "CASE WHEN :t RLIKE '^[0-9A-Z]{1,34}$' THEN :t END", t=value)
    for number, letter in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 10):
        digits = fill("spark", f"replace(:t, '{letter}', '{number}')", t=digits)
    return fill(
        "spark",
        "CAST(CAST(concat(CAST(CAST(left(:d, 34) AS DECIMAL(38, 0)) % 97 AS STRING), substr(:d, 35)) "
        "AS DECIMAL(38, 0)) % 97 AS DECIMAL(38, 0))",
        d=digits,
    )


def _among(value: exp.Expr, values: exp.Expr, type_: exp.Expr) -> exp.Expr:
    """Spark makes a hash set of a long list of literals."""
    target = to_engine(text_of(type_), "spark")
    listed: list[exp.Expr] = [exp.Literal.string(item) for item in listed_texts(values)]
    if target != "STRING":
        listed = [fill("spark", f"CAST(:x AS {target})", x=item) for item in listed]
    return exp.In(this=value, expressions=listed)


def _least_rows(n: exp.Expr, *values: exp.Expr) -> exp.Expr:
    """NULL is the greatest, so each value stands behind whether it is one."""
    pairs = [part for i, v in enumerate(values) for part in (f"n{i}", v.is_(exp.null()), f"v{i}", v)]
    row = exp.Anonymous(this="named_struct", expressions=[_literal(part) for part in pairs])
    fields = ", ".join(f"r.v{i}" for i in range(len(values)))
    return fill(
        "spark",
        f"CASE WHEN COUNT(*) > 0 THEN transform(slice(array_sort(collect_list(:row)), 1, :n), "
        f"r -> array({fields})) END",
        row=row, n=n,
    )  # fmt: skip


def _literal(part: str | exp.Expr) -> exp.Expr:
    return exp.Literal.string(part) if isinstance(part, str) else part


def _generated(field: str) -> Emitter:
    """A SELECT takes one generator: ``rewrite.queries`` makes one of these that it shares."""

    def emit(listed: exp.Expr, keep: exp.Expr) -> exp.Expr:
        return exp.Anonymous(this=f"{GENERATED}{field}", expressions=[listed, keep])

    return emit


EMITTERS: Mapping[str, Emitter] = {
    "among": _among,
    "concat": _fn("concat"),
    "count_distinct_dense": _template("nullif(COUNT(DISTINCT :x), 0)", "x", "low", "high"),
    "count_if": _fn("count_if"),
    "divide": _template("CAST(:a AS DOUBLE) / nullif(CAST(:b AS DOUBLE), 0)", "a", "b"),
    "edit_distance": _fn("levenshtein"),
    "hash64": _fn("xxhash64"),
    "hide": _template(
        "CASE WHEN length(:t) <= :n THEN repeat('*', length(:t)) "
        "ELSE concat(repeat('*', length(:t) - :n), right(:t, :n)) END",
        "t", "n",
    ),
    "hmac_sha256": _template(
        "sha2(concat(CAST(:opad AS BINARY), unhex(sha2(concat(CAST(:ipad AS BINARY), "
        "encode(:t, 'UTF-8')), 256))), 256)",
        "t", "ipad", "opad",
    ),
    "is_finite": _template("NOT isnan(:x) AND abs(:x) <> CAST('Infinity' AS DOUBLE)", "x"),
    "is_json": is_json,
    "is_nan": _template("CASE WHEN :x IS NOT NULL THEN isnan(:x) END", "x"),
    "least_rows": _least_rows,
    "length": _fn("length"),
    "list_json": _list_json,
    "mapped": _template("element_at(from_json(:p, 'MAP<STRING, STRING>'), :t)", "t", "p"),
    "matches": _matches,
    "mod97": _mod97,
    "reasons_json": _reasons,
    "row_id": _fn("monotonically_increasing_id"),
    "row_json": _row_json,
    "sha256": _template("sha2(:t, 256)", "t"),
    "string_of": _string_of,
    "substring": _fn("substring"),
    "title": _template(
        "array_join(transform(split(:t, ' '), w -> concat(upper(substr(w, 1, 1)), substr(w, 2))), ' ')", "t"
    ),
    "try_cast": _try_cast,
    "unnest_item": _generated("item"),
    "unnest_number": _generated("number"),
}  # fmt: skip
