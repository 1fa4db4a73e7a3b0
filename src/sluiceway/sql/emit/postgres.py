"""Primitives in the SQL of PostgreSQL 15 and later."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from sluiceway.errors import PlanError
from sluiceway.sql.emit.json_shape import is_json_postgres as is_json
from sluiceway.sql.emit.postgres_cast import cast
from sluiceway.sql.emit.postgres_text import json_text, text
from sluiceway.sql.emit.shapes import listed_texts
from sluiceway.sql.emit.template import Emitter, fill, json_string, text_of
from sluiceway.sql.regex import regex
from sluiceway.sql.types import to_engine

__all__ = ["EMITTERS"]


def _fn(name: str) -> Emitter:
    return lambda *args: exp.Anonymous(this=name, expressions=list(args))


def _template(sql: str, *names: str) -> Emitter:
    return lambda *args: fill("postgres", sql, **dict(zip(names, args, strict=True)))


def _joined(parts: list[exp.Expr]) -> exp.Expr:
    """``a || b || …``."""
    whole = parts[0]
    for part in parts[1:]:
        whole = exp.DPipe(this=whole, expression=part, safe=False)
    return exp.paren(whole)


def _string_of(value: exp.Expr, type_: exp.Expr, exact: exp.Expr | None = None) -> exp.Expr:
    """DuckDB writes one FLOAT in a hundred with more digits than it takes: the text here reads back as the
    same number, and that is not enough where texts are compared."""
    if exact is not None and "FLOAT" in text_of(type_).upper():
        raise PlanError(
            f"the text of a {text_of(type_)} is not always the same on PostgreSQL as on DuckDB",
            hint="cast the column to DOUBLE or DECIMAL in a step before",
        )
    return text(value, text_of(type_))


def _try_cast(value: exp.Expr, type_: exp.Expr, of: exp.Expr | None = None) -> exp.Expr:
    return cast(value, text_of(of) if of is not None else "VARCHAR", text_of(type_), safe=True)


def _row_json(*pairs: exp.Expr) -> exp.Expr:
    parts: list[exp.Expr] = []
    for i, (name, value) in enumerate(zip(pairs[::2], pairs[1::2], strict=True)):
        key = json_string(text_of(name))
        parts += [exp.Literal.string(f"{',' if i else '{'}{key}:"), json_text(value)]
    return _joined([*(parts or [exp.Literal.string("{")]), exp.Literal.string("}")])


def _reasons(*args: exp.Expr) -> exp.Expr:
    cases: list[exp.Expr] = []
    for condition, id_ in zip(args[::2], args[1::2], strict=True):
        shown = exp.Literal.string(json_string(text_of(id_)))
        cases.append(exp.Case().when(condition, shown))
    listed = exp.Anonymous(this="concat_ws", expressions=[exp.Literal.string(","), *cases])
    return fill("postgres", "'[' || :listed || ']'", listed=listed)


def _list_json(*texts: exp.Expr) -> exp.Expr:
    listed = exp.Anonymous(
        this="concat_ws", expressions=[exp.Literal.string(","), *(json_text(t) for t in texts)]
    )
    return fill("postgres", "'[' || :listed || ']'", listed=listed)


def _matches(text_: exp.Expr, pattern: exp.Expr) -> exp.Expr:
    own = regex(text_of(pattern), "postgres", whole=True).text
    return fill("postgres", ":t ~ :p", t=text_, p=exp.Literal.string(own))


def _mod97(value: exp.Expr) -> exp.Expr:
    digits = fill("postgres", "CASE WHEN :t ~ '^[0-9A-Z]{1,34}$' THEN :t END", t=value)
    for number, letter in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 10):
        digits = fill("postgres", f"replace(:t, '{letter}', '{number}')", t=digits)
    return fill("postgres", "CAST(:d AS NUMERIC) % 97", d=digits)


def _among(value: exp.Expr, values: exp.Expr, type_: exp.Expr) -> exp.Expr:
    """PostgreSQL hashes a long list of constants."""
    target = to_engine(text_of(type_), "postgres").upper()
    listed: list[exp.Expr] = [exp.Literal.string(item) for item in listed_texts(values)]
    return exp.In(this=value, expressions=[fill("postgres", f"CAST(:x AS {target})", x=i) for i in listed])


def _least_rows(n: exp.Expr, *values: exp.Expr) -> exp.Expr:
    row = exp.Array(expressions=[v.copy() for v in values])
    order = ", ".join(f':v{i} COLLATE "C" NULLS LAST' for i in range(len(values)))
    holes = {f"v{i}": v for i, v in enumerate(values)}
    return fill("postgres", f"(array_agg(:row ORDER BY {order}))[1 : :n]", row=row, n=n, **holes)


def _unnested(items: str, none: str) -> Emitter:
    """Two of them in one SELECT go in step."""

    def emit(listed: exp.Expr, keep: exp.Expr) -> exp.Expr:
        kept = isinstance(keep, exp.Boolean) and bool(keep.this)
        some = (
            f"CASE WHEN coalesce(cardinality(:l) = 0, TRUE) THEN {none} ELSE {items} END" if kept else items
        )
        return fill("postgres", f"unnest({some})", l=listed)

    return emit


EMITTERS: Mapping[str, Emitter] = {
    "among": _among,
    "concat": lambda *parts: _joined(list(parts)),
    "count_distinct_dense": _template("nullif(COUNT(DISTINCT :x), 0)", "x", "low", "high"),
    "count_if": _template("COUNT(*) FILTER(WHERE :c)", "c"),
    "divide": _template("CAST(:a AS FLOAT8) / nullif(CAST(:b AS FLOAT8), 0)", "a", "b"),
    "hash64": lambda *args: fill(
        "postgres", "hash_record_extended(:row, 0)", row=exp.Anonymous(this="ROW", expressions=list(args))
    ),
    "hide": _template(
        "CASE WHEN length(:t) <= :n THEN repeat('*', length(:t)) "
        "ELSE repeat('*', length(:t) - :n) || right(:t, :n) END",
        "t", "n",
    ),
    "hmac_sha256": _template(
        "encode(sha256(CAST(:opad AS BYTEA) || sha256(CAST(:ipad AS BYTEA) "
        "|| convert_to(:t, 'UTF8'))), 'hex')",
        "t", "ipad", "opad",
    ),
    "is_finite": _template(":x NOT IN ('NaN', 'Infinity', '-Infinity')", "x"),
    "is_json": is_json,
    "is_nan": _template(":x = 'NaN'", "x"),
    "least_rows": _least_rows,
    "length": _fn("length"),
    "list_json": _list_json,
    "mapped": _template("CAST(:p AS JSONB) ->> :t", "t", "p"),
    "matches": _matches,
    "mod97": _mod97,
    "nfc": _template("normalize(:t)", "t"),
    "reasons_json": _reasons,
    "row_id": lambda: exp.Window(this=exp.RowNumber()),
    "row_json": _row_json,
    "sha256": _template("encode(sha256(convert_to(:t, 'UTF8')), 'hex')", "t"),
    "string_of": _string_of,
    "substring": _fn("substr"),
    "title": _template(
        "array_to_string(ARRAY(SELECT upper(substr(w, 1, 1)) || substr(w, 2) "
        "FROM unnest(string_to_array(:t, ' ')) WITH ORDINALITY AS words(w, n) ORDER BY n), ' ') "
        "|| CASE WHEN :t IS NULL THEN NULL ELSE '' END",
        "t",
    ),
    "unnest_item": _unnested(":l", "array_append(:l, NULL)"),
    "unnest_number": _unnested(
        "CAST(ARRAY(SELECT generate_series(1, cardinality(:l))) AS BIGINT[])", "CAST(ARRAY[NULL] AS BIGINT[])"
    ),
    "try_cast": _try_cast,
}  # fmt: skip
