"""The text of a value on PostgreSQL, as DuckDB writes it. The session must have SESSION of ``dialects``."""

from __future__ import annotations

from sqlglot import exp

from sluiceway.errors import PlanError
from sluiceway.schema import family
from sluiceway.sql.emit.template import fill
from sluiceway.sql.emit.types import item_of

__all__ = ["json_text", "text"]

# PostgreSQL gives the fewest digits that lie within the bounds of rounding; DuckDB takes the bounds too,
# so 1e+23 is 9.999999999999999e+22 there: fewer digits are tried first.
_DIGITS = {
    "DOUBLE": "CASE WHEN abs(:x) NOT BETWEEN 2.3e-308 AND 1e308 THEN CAST(:x AS TEXT) "
    "WHEN CAST(to_char(:x, '9.99999999999999EEEE') AS FLOAT8) = :x "
    "THEN to_char(:x, '9.99999999999999EEEE') "
    "WHEN CAST(to_char(:x, '9.999999999999999EEEE') AS FLOAT8) = :x "
    "THEN to_char(:x, '9.999999999999999EEEE') ELSE CAST(:x AS TEXT) END",
    "FLOAT": "CAST(:x AS TEXT)",
}
_NUMBER = (
    "CASE WHEN :x = 'NaN' THEN 'nan' WHEN :x = 'Infinity' THEN 'inf' WHEN :x = '-Infinity' THEN '-inf' "
    "WHEN :x = 0 THEN CASE WHEN CAST(:x AS TEXT) = '-0' THEN '-0.0' ELSE '0.0' END "
    "ELSE (SELECT CASE WHEN abs(CAST(s AS NUMERIC)) >= 0.0001 AND abs(CAST(s AS NUMERIC)) < 1e16 "
    "THEN CAST(trim_scale(CAST(s AS NUMERIC)) AS TEXT) "
    "|| CASE WHEN scale(trim_scale(CAST(s AS NUMERIC))) = 0 THEN '.0' ELSE '' END "
    "ELSE regexp_replace(regexp_replace(s, '(\\.[0-9]*?)0*e', '\\1e'), '\\.e', 'e') END "
    "FROM (SELECT btrim(:s) AS s) AS number) END"
)
_DATE = "replace(CAST(:x AS TEXT), ' BC', ' (BC)')"
_BLOB = (
    "CASE WHEN length(:x) = 0 THEN '' ELSE (SELECT string_agg(CASE WHEN b BETWEEN 32 AND 126 "
    r"AND b NOT IN (34, 39, 92) THEN chr(b) ELSE '\x' || upper(lpad(to_hex(b), 2, '0')) END, '' ORDER BY i) "
    "FROM (SELECT i, get_byte(:x, i) AS b FROM generate_series(0, length(:x) - 1) AS I(i)) AS bytes) END"
)
_QUOTED = (
    r"""CASE WHEN :t = '' OR lower(:t) = 'null' OR :t ~ '["''(),:=\[\]{}]|^[ \t\n\v\f\r]|[ \t\n\v\f\r]$' """
    r"""THEN '''' || replace(replace(:t, '\', '\\'), '''', '\''') || '''' ELSE :t END"""
)
_PLAIN = frozenset({"integer", "decimal", "boolean", "time", "uuid", "json"})


def text(value: exp.Expr, type_: str) -> exp.Expr:
    """``value``, which has DuckDB's type ``type_``, as the text that DuckDB gives it.

    Raises:
        PlanError: PostgreSQL can't hold such a type, or its text there is not DuckDB's.
    """
    group = family(type_)
    if group == "text":
        return value
    if group in _PLAIN and not type_.endswith("_NS"):
        return fill("postgres", "CAST(:x AS TEXT)", x=value)
    if group == "float":
        return fill("postgres", _NUMBER, x=value, s=fill("postgres", _DIGITS[type_.upper()], x=value))
    if group in ("date", "timestamp", "timestamptz") and not type_.endswith("_NS"):
        return fill("postgres", _DATE, x=value)
    if type_.upper() == "BLOB":
        return fill("postgres", _BLOB, x=value)
    if type_.endswith("[]") and not item_of(type_).endswith("]"):
        return _list(value, item_of(type_))
    raise PlanError(
        f"the text of a value of type {type_} can't be made the same on PostgreSQL as on DuckDB",
        hint="cast the column to another type in a step before, or drop it",
    )


def _list(value: exp.Expr, inner: str) -> exp.Expr:
    item = text(exp.column(exp.to_identifier("item")), inner)
    if family(inner) not in ("integer", "decimal", "float", "boolean"):
        item = fill("postgres", _QUOTED, t=item)
    return fill(
        "postgres",
        "CASE WHEN :x IS NOT NULL THEN '[' || coalesce((SELECT string_agg(coalesce(:item, 'NULL'), ', ' "
        "ORDER BY at) FROM unnest(:x) WITH ORDINALITY AS I(item, at)), '') || ']' END",
        x=value, item=item,
    )  # fmt: skip


_SHORT = {8: r"\b", 9: r"\t", 10: r"\n", 12: r"\f", 13: r"\r"}


def json_text(value: exp.Expr) -> exp.Expr:
    """A text as a JSON string, ``null`` for NULL. PostgreSQL's own ``to_json`` writes ``\\u001f`` where
    DuckDB writes ``\\u001F``: texts with such characters are escaped one by one."""
    slow = fill("postgres", r"""replace(replace(:t, '\', '\\'), '"', '\"')""", t=value)
    for code in range(1, 32):
        escaped = exp.Literal.string(_SHORT.get(code, f"\\u{code:04X}"))
        slow = fill("postgres", f"replace(:t, chr({code}), :by)", t=slow, by=escaped)
    return fill(
        "postgres",
        r"""coalesce(CASE WHEN :t ~ '[\x0B\x0E\x0F\x1A-\x1F]' THEN '"' || :slow || '"' """
        "ELSE CAST(to_json(:t) AS TEXT) END, 'null')",
        t=fill("postgres", "CAST(:t AS TEXT)", t=value), slow=slow,
    )  # fmt: skip
