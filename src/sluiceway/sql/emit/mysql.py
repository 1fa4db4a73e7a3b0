"""Primitives in the SQL of MySQL 8 and MariaDB 10.6, where these are sure; executed on MariaDB.

Texts are compared by their bytes: collations ignore case, accents and blanks at the end. Floats have no
text that is DuckDB's, casts cut off what does not fit, and patterns are read by two other engines: what
needs them is not here, and is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from sqlglot import exp

from sluiceway.errors import PlanError
from sluiceway.schema import family
from sluiceway.sql.emit.shapes import listed_texts
from sluiceway.sql.emit.template import Emitter, fill, text_of
from sluiceway.sql.emit.written import json_array, json_object, json_reasons

__all__ = ["EMITTERS"]

_CHAR = "CHAR(# USING utf8mb4)"
_STAMP = "TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM date_format(:x, '%Y-%m-%d %H:%i:%s.%f')))"
_TEXTS = {
    "text": ":x",
    "uuid": "lower(:x)",
    "integer": "CAST(:x AS CHAR)",
    "decimal": "CAST(:x AS CHAR)",
    "boolean": "CASE WHEN :x THEN 'true' WHEN NOT :x THEN 'false' END",
    "date": "date_format(:x, '%Y-%m-%d')",
    "timestamp": _STAMP,
    "timestamptz": f"concat({_STAMP}, '+00')",
}
_BYTES = "CAST(CONVERT(:x USING utf8mb4) AS BINARY)"
_AMONG = {
    "text": _BYTES, "integer": "CAST(:x AS SIGNED)", "date": "CAST(:x AS DATE)",
    "timestamp": "CAST(:x AS DATETIME(6))",
}  # fmt: skip


def _template(sql: str, *names: str) -> Emitter:
    return lambda *args: fill("mysql", sql, **dict(zip(names, args, strict=True)))


def _string_of(value: exp.Expr, type_: exp.Expr, _exact: exp.Expr | None = None) -> exp.Expr:
    template = _TEXTS.get(family(text_of(type_)))
    if template is None:
        raise PlanError(
            f"the text of a value of type {text_of(type_)} can't be made the same on MySQL as on DuckDB",
            hint="cast the column to another type in a step before, or drop it",
        )
    return fill("mysql", template, x=value)


def _among(value: exp.Expr, values: exp.Expr, type_: exp.Expr) -> exp.Expr:
    wanted = text_of(type_)
    template = f"CAST(:x AS {wanted})" if family(wanted) == "decimal" else _AMONG.get(family(wanted))
    if template is None:
        raise PlanError(
            f"values of type {wanted} are not compared alike on MySQL",
            hint="cast the column to VARCHAR or DECIMAL in a step before",
        )
    listed = [fill("mysql", template, x=exp.Literal.string(item)) for item in listed_texts(values)]
    left = fill("mysql", _BYTES, x=value) if family(wanted) == "text" else value
    return exp.In(this=left, expressions=listed)


EMITTERS: Mapping[str, Emitter] = {
    "among": _among,
    "concat": lambda *parts: exp.Anonymous(this="concat", expressions=list(parts)),
    "count_distinct_dense": _template("nullif(COUNT(DISTINCT :x), 0)", "x", "low", "high"),
    "count_if": _template("COUNT(CASE WHEN :c THEN 1 END)", "c"),
    "divide": _template("CAST(:a AS DOUBLE) / nullif(CAST(:b AS DOUBLE), 0)", "a", "b"),
    "hide": _template(
        "CASE WHEN char_length(:t) <= :n THEN repeat('*', char_length(:t)) "
        "ELSE concat(repeat('*', char_length(:t) - :n), right(:t, :n)) END",
        "t", "n",
    ),
    "hmac_sha256": _template(
        f"sha2(concat(CAST(:opad AS BINARY), unhex(sha2(concat(CAST(:ipad AS BINARY), {_BYTES}), 256))), "
        "256)",
        "x", "ipad", "opad",
    ),
    # its floats have neither NaN nor infinity
    "is_finite": _template("CASE WHEN :x IS NOT NULL THEN TRUE END", "x"),
    "is_nan": _template("CASE WHEN :x IS NOT NULL THEN FALSE END", "x"),
    "length": _template("char_length(:t)", "t"),
    "list_json": partial(json_array, "mysql", _CHAR),
    "reasons_json": partial(json_reasons, "mysql"),
    "row_id": lambda: exp.Window(this=exp.RowNumber()),
    "row_json": partial(json_object, "mysql", _CHAR),
    "sha256": _template(f"sha2({_BYTES}, 256)", "x"),
    "string_of": _string_of,
    "substring": _template("substring(:t, :s, :n)", "t", "s", "n"),
}  # fmt: skip
