"""Primitives in Snowflake's SQL, as its manual has it; executed on an emulator. What is not sure (its regular
expressions, the text of its floats, casts of texts) is not here, and is refused."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from sqlglot import exp

from sluiceway.errors import PlanError
from sluiceway.schema import family
from sluiceway.sql.emit.shapes import listed_texts
from sluiceway.sql.emit.snowflake_cast import TEXTS, cast
from sluiceway.sql.emit.template import Emitter, fill, text_of
from sluiceway.sql.emit.written import PLAIN, json_array, json_object, json_reasons

__all__ = ["EMITTERS"]

_CHAR = "chr(#)"
_AMONG = {"text": "VARCHAR", "integer": "NUMBER(38, 0)", "date": "DATE", "timestamp": "TIMESTAMP_NTZ"}


def _template(sql: str, *names: str) -> Emitter:
    return lambda *args: fill("snowflake", sql, **dict(zip(names, args, strict=True)))


def _fn(name: str) -> Emitter:
    return lambda *args: exp.Anonymous(this=name, expressions=list(args))


def _string_of(value: exp.Expr, type_: exp.Expr, _exact: exp.Expr | None = None) -> exp.Expr:
    template = TEXTS.get(family(text_of(type_)))
    if template is None:
        raise PlanError(
            f"the text of a value of type {text_of(type_)} can't be made the same on Snowflake as on DuckDB",
            hint="cast the column to another type in a step before, or drop it",
        )
    made = fill("snowflake", template, x=value)
    if family(text_of(type_)) != "text":
        made.meta[PLAIN] = True
    return made


def _try_cast(value: exp.Expr, type_: exp.Expr, from_: exp.Expr | None = None) -> exp.Expr:
    return cast(value, "VARCHAR" if from_ is None else text_of(from_), text_of(type_), safe=True)


def _among(value: exp.Expr, values: exp.Expr, type_: exp.Expr) -> exp.Expr:
    wanted = text_of(type_)
    to = wanted if family(wanted) == "decimal" else _AMONG.get(family(wanted))
    if to is None:
        raise PlanError(
            f"values of type {wanted} are not compared alike on Snowflake",
            hint="cast the column to VARCHAR or DECIMAL in a step before",
        )
    listed = [fill("snowflake", f"CAST(:x AS {to})", x=exp.Literal.string(i)) for i in listed_texts(values)]
    return exp.In(this=value, expressions=listed)


_NOT_FINITE = ", ".join(f"CAST('{word}' AS FLOAT)" for word in ("NaN", "inf", "-inf"))

EMITTERS: Mapping[str, Emitter] = {
    "among": _among,
    "concat": _fn("concat"),
    "count_distinct_dense": _template("nullif(COUNT(DISTINCT :x), 0)", "x", "low", "high"),
    "count_if": _fn("count_if"),
    "divide": _template("CAST(:a AS DOUBLE) / nullif(CAST(:b AS DOUBLE), 0)", "a", "b"),
    "hash64": _fn("hash"),
    "hide": _template(
        "CASE WHEN length(:t) <= :n THEN repeat('*', length(:t)) "
        "ELSE concat(repeat('*', length(:t) - :n), right(:t, :n)) END",
        "t", "n",
    ),
    "hmac_sha256": _template(
        "sha2(concat(CAST(:opad AS BINARY), sha2_binary(concat(CAST(:ipad AS BINARY), "
        "to_binary(:t, 'UTF-8')), 256)), 256)",
        "t", "ipad", "opad",
    ),
    "is_finite": _template(f":x NOT IN ({_NOT_FINITE})", "x"),
    "is_nan": _template(":x = CAST('NaN' AS FLOAT)", "x"),
    "length": _fn("length"),
    "list_json": partial(json_array, "snowflake", _CHAR),
    "reasons_json": partial(json_reasons, "snowflake"),
    "row_id": lambda: fill("snowflake", "row_number() OVER (ORDER BY 1)"),
    "row_json": partial(json_object, "snowflake", _CHAR),
    "sha256": _template("sha2(:t, 256)", "t"),
    "string_of": _string_of,
    "substring": _fn("substr"),
    "try_cast": _try_cast,
}  # fmt: skip
