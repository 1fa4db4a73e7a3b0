"""Primitives in BigQuery's SQL, as its manual has it; executed on an emulator alone. Its patterns are RE2's,
as DuckDB's are. What is not sure (its casts, the text of its floats) is not here, and is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial

from sqlglot import exp

from sluiceway.errors import PlanError
from sluiceway.schema import family
from sluiceway.sql.emit.shapes import listed_texts
from sluiceway.sql.emit.template import Emitter, fill, text_of
from sluiceway.sql.emit.written import json_array, json_object, json_reasons

__all__ = ["EMITTERS"]

_CHAR = "code_points_to_string([#])"
# its own text of a moment has fractions of 0, 3 or 6 digits, and years of four everywhere
_STAMP = (
    "CASE WHEN strpos(CAST(:x AS STRING), '.') > 0 THEN rtrim(rtrim(CAST(:x AS STRING), '0'), '.') "
    "ELSE CAST(:x AS STRING) END"
)
_UTC = "datetime(:x, 'UTC')"
_TEXTS = {
    "text": ":x",
    "uuid": "lower(:x)",
    "integer": "CAST(:x AS STRING)",
    "boolean": "CAST(:x AS STRING)",
    "date": "CAST(:x AS STRING)",
    "timestamp": _STAMP,
    "timestamptz": f"concat({_STAMP.replace(':x', _UTC)}, '+00')",
}
# it drops zeros at the end, and the point behind which there is nothing
_DECIMAL = (
    "CASE WHEN strpos(CAST(:x AS STRING), '.') = 0 THEN concat(CAST(:x AS STRING), '.', '{zeros}') "
    "ELSE substr(concat(CAST(:x AS STRING), '{zeros}'), 1, strpos(CAST(:x AS STRING), '.') + {scale}) END"
)
_AMONG = {
    "text": "STRING",
    "integer": "INT64",
    "date": "DATE",
    "timestamp": "DATETIME",
    "decimal": "BIGNUMERIC",
}


def _template(sql: str, *names: str) -> Emitter:
    return lambda *args: fill("bigquery", sql, **dict(zip(names, args, strict=True)))


def _fn(name: str) -> Emitter:
    return lambda *args: exp.Anonymous(this=name, expressions=list(args))


def _string_of(value: exp.Expr, type_: exp.Expr, exact: exp.Expr | None = None) -> exp.Expr:
    """A float gets the 17 digits that read back as the same number: not DuckDB's text, so not where that is
    looked at."""
    wanted = text_of(type_)
    if family(wanted) == "float" and exact is None:
        return fill("bigquery", "format('%.17g', :x)", x=value)
    if family(wanted) == "decimal":
        scale = int(re.findall(r"\d+", wanted)[1])
        text = _DECIMAL.format(zeros="0" * scale, scale=scale) if scale else "CAST(:x AS STRING)"
        return fill("bigquery", text, x=value)
    template = _TEXTS.get(family(wanted))
    if template is None:
        raise PlanError(
            f"the text of a value of type {wanted} can't be made the same on BigQuery as on DuckDB",
            hint="cast the column to another type in a step before, or drop it",
        )
    return fill("bigquery", template, x=value)


def _among(value: exp.Expr, values: exp.Expr, type_: exp.Expr) -> exp.Expr:
    to = _AMONG.get(family(text_of(type_)))
    if to is None:
        raise PlanError(
            f"values of type {text_of(type_)} are not compared alike on BigQuery",
            hint="cast the column to VARCHAR or DECIMAL in a step before",
        )
    listed = [fill("bigquery", f"CAST(:x AS {to})", x=exp.Literal.string(i)) for i in listed_texts(values)]
    return exp.In(this=value, expressions=listed)


def _matches(text: exp.Expr, pattern: exp.Expr) -> exp.Expr:
    whole = exp.Literal.string(f"\\A(?:{text_of(pattern)})\\z")
    return exp.Anonymous(this="regexp_contains", expressions=[text, whole])


EMITTERS: Mapping[str, Emitter] = {
    "among": _among,
    "concat": _fn("concat"),
    "count_distinct_dense": _template("nullif(COUNT(DISTINCT :x), 0)", "x", "low", "high"),
    "count_if": _fn("countif"),
    "divide": _template("CAST(:a AS FLOAT64) / nullif(CAST(:b AS FLOAT64), 0)", "a", "b"),
    "hash64": lambda *args: fill(
        "bigquery", "farm_fingerprint(to_json_string(:x))", x=exp.Struct(expressions=list(args))
    ),
    "hide": _template(
        "CASE WHEN char_length(:t) <= :n THEN repeat('*', char_length(:t)) "
        "ELSE concat(repeat('*', char_length(:t) - :n), right(:t, :n)) END",
        "t", "n",
    ),
    "hmac_sha256": _template(
        "to_hex(sha256(concat(CAST(:opad AS BYTES), sha256(concat(CAST(:ipad AS BYTES), "
        "CAST(:t AS BYTES))))))",
        "t", "ipad", "opad",
    ),
    "is_finite": _template("NOT is_nan(:x) AND NOT is_inf(:x)", "x"),
    "is_nan": _fn("is_nan"),
    "length": _fn("char_length"),
    "list_json": partial(json_array, "bigquery", _CHAR),
    "matches": _matches,
    "reasons_json": partial(json_reasons, "bigquery"),
    "row_id": lambda: exp.Window(this=exp.RowNumber()),
    "row_json": partial(json_object, "bigquery", _CHAR),
    "sha256": _template("to_hex(sha256(:t))", "t"),
    "string_of": _string_of,
    "substring": _fn("substr"),
}  # fmt: skip
