"""The text of a value on Spark, as DuckDB writes it."""

from __future__ import annotations

from sqlglot import exp

from sluiceway.errors import PlanError
from sluiceway.schema import family
from sluiceway.sql.emit.template import fill
from sluiceway.sql.emit.types import fields_of, item_of

__all__ = ["text"]

# Java writes 1.0E10 where DuckDB writes 10000000000.0, and Java 17 not always the shortest digits: so the
# fewest digits are looked for that read back as the same number. 15 digits are enough or 17 are, but for
# the numbers next to zero, which have fewer. Above 2^53 Java rounds what it has rounded before: there the
# digits come from the whole number.
_WHOLE = (
    "element_at(transform(filter(array(round(:w, -4), round(:w, -3), round(:w, -2), round(:w, -1), :w), "
    "r -> CAST(r AS DOUBLE) = abs(:x)), r -> concat(CASE WHEN :x < 0 THEN '-' ELSE '' END, "
    "left(CAST(r AS STRING), 1), '.', substr(CAST(r AS STRING), 2), 'e+', length(CAST(r AS STRING)) - 1)), 1)"
)
_DOUBLE = (
    "CASE WHEN abs(:x) < 2.2250738585072014E-308D THEN "
    "element_at(filter(transform(sequence(0, 16), n -> format_string(concat('%.', n, 'e'), :x)), "
    "t -> CAST(t AS DOUBLE) = :x), 1) "
    "WHEN abs(:x) BETWEEN 9007199254740992D AND 9E18D THEN :whole "
    "WHEN CAST(format_string('%.14e', :x) AS DOUBLE) = :x THEN format_string('%.14e', :x) "
    "WHEN CAST(format_string('%.15e', :x) AS DOUBLE) = :x THEN format_string('%.15e', :x) "
    "ELSE format_string('%.16e', :x) END"
)
_FLOAT = (
    "element_at(filter(transform(sequence(0, 8), n -> format_string(concat('%.', n, 'e'), :x)), "
    "t -> CAST(t AS FLOAT) = :x), 1)"
)
_NUMBER = (
    "CASE WHEN :x IS NULL THEN NULL WHEN isnan(:x) THEN 'nan' "
    "WHEN abs(:x) = CAST('Infinity' AS DOUBLE) THEN CASE WHEN :x > 0 THEN 'inf' ELSE '-inf' END "
    "WHEN :x = 0 THEN CASE WHEN CAST(:x AS STRING) = '-0.0' THEN '-0.0' ELSE '0.0' END "
    "ELSE element_at(transform(array(:s), s -> "
    "CASE WHEN CAST(substring_index(s, 'e', -1) AS INT) BETWEEN -4 AND 15 THEN "
    "regexp_replace(regexp_replace(CAST(CAST(s AS DECIMAL(38, 20)) AS STRING), '0+$', ''), '[.]$', '.0') "
    "ELSE regexp_replace(regexp_replace(s, '([.][0-9]*?)0*e', '$1e'), '[.]e', 'e') END), 1) END"
)
_DATE = (
    "CASE WHEN year(:x) > 9999 THEN substr(CAST(:x AS STRING), 2) "
    "WHEN year(:x) < 1 THEN concat(lpad(CAST(1 - year(:x) AS STRING), 4, '0'), "
    "right(CAST(:x AS STRING), 6), ' (BC)') "
    "ELSE CAST(:x AS STRING) END"
)
_TIMESTAMP = (
    "CASE WHEN year(:x) BETWEEN 1 AND 9999 THEN CAST(:x AS STRING) "
    "ELSE concat(:date, ' ', substring_index(CAST(:x AS STRING), ' ', -1)) END"
)
_BLOB = (
    "CASE WHEN length(:x) = 0 THEN '' ELSE array_join(transform(sequence(1, length(:x)), i -> "
    "CASE WHEN substring(:x, i, 1) BETWEEN X'20' AND X'7E' "
    "AND substring(:x, i, 1) NOT IN (X'22', X'27', X'5C') THEN decode(substring(:x, i, 1), 'UTF-8') "
    r"ELSE concat('\\x', hex(substring(:x, i, 1))) END), '') END"
)
_QUOTED = (
    r"""CASE WHEN :t = '' OR lower(:t) = 'null' OR :t RLIKE '["\'(),:=\\[\\]{}]|^\\s|\\s\\z' """
    r"""THEN concat('\'', replace(replace(:t, '\\', '\\\\'), '\'', '\\\''), '\'') ELSE :t END"""
)
_PLAIN = frozenset({"integer", "decimal", "boolean"})
_AS_IT_IS = frozenset({"text", "uuid", "json"})


def text(value: exp.Expr, type_: str, depth: int = 0) -> exp.Expr:
    """``value``, which has DuckDB's type ``type_``, as the text that DuckDB gives it.

    Raises:
        PlanError: Spark can't hold such a type, or its text there is not DuckDB's.
    """
    group = family(type_)
    if group in _AS_IT_IS:
        return value
    if group in _PLAIN:
        return fill("spark", "CAST(:x AS STRING)", x=value)
    if group == "float":
        return fill("spark", _NUMBER, x=value, s=_scientific(value, type_))
    if group == "date":
        return fill("spark", _DATE, x=value)
    if group in ("timestamp", "timestamptz") and not type_.endswith("_NS"):
        date = fill("spark", _DATE, x=fill("spark", "CAST(:x AS DATE)", x=value))
        stamp = fill("spark", _TIMESTAMP, x=value, date=date)
        return stamp if group == "timestamp" else fill("spark", "concat(:x, '+00')", x=stamp)
    if type_.upper() == "BLOB":
        return fill("spark", _BLOB, x=value)
    if group == "nested":
        return _nested(value, type_, depth)
    raise PlanError(
        f"the text of a value of type {type_} can't be made the same on Spark as on DuckDB",
        hint="cast the column to another type in a step before, or drop it",
    )


def _scientific(value: exp.Expr, type_: str) -> exp.Expr:
    if type_.upper() == "FLOAT":
        return fill("spark", _FLOAT, x=value)
    whole = fill("spark", "CAST(CAST(abs(:x) AS BIGINT) AS DECIMAL(20, 0))", x=value)
    return fill("spark", _DOUBLE, x=value, whole=fill("spark", _WHOLE, x=value, w=whole))


def _nested(value: exp.Expr, type_: str, depth: int) -> exp.Expr:
    if type_.endswith("[]"):
        inner = item_of(type_)
        name = f"item{depth}"
        part = _part(exp.column(exp.to_identifier(name)), inner, depth + 1)
        loop = exp.Lambda(this=part, expressions=[exp.to_identifier(name)])
        return fill(
            "spark",
            "concat('[', array_join(:items, ', '), ']')",
            items=exp.Anonymous(this="transform", expressions=[value, loop]),
        )
    if type_.upper().startswith("STRUCT("):
        parts: list[exp.Expr] = []
        for i, (name, inner) in enumerate(fields_of(type_)):
            escaped = name.replace("\\", "\\\\").replace("'", "\\'")
            parts.append(exp.Literal.string(f"{', ' if i else '{'}'{escaped}': "))
            field = exp.Dot(this=value.copy(), expression=exp.to_identifier(name, quoted=True))
            parts.append(_part(field, inner, depth))
        parts.append(exp.Literal.string("}"))
        whole = exp.Anonymous(this="concat", expressions=parts)
        return fill("spark", "CASE WHEN :x IS NOT NULL THEN :whole END", x=value, whole=whole)
    raise PlanError(
        f"the text of a {type_} can't be made the same on Spark as on DuckDB",
        hint="derive its entries in a step before: map_entries(COLUMN)",
    )


def _part(value: exp.Expr, type_: str, depth: int) -> exp.Expr:
    """A value within another: NULL is written, and text is quoted where it could be misread."""
    made = text(value, type_, depth)
    if family(type_) not in ("nested", "integer", "decimal", "float", "boolean"):
        made = fill("spark", _QUOTED, t=made)
    return fill("spark", "coalesce(:t, 'NULL')", t=made)
