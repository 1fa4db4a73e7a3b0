"""Whether a text is JSON, without a JSON parser: the same answer as DuckDB's ``json_valid``.

Parsers differ in what they let pass (DuckDB's takes a comma before a closing bracket, NaN and Infinity;
Spark's reads numbers such as 01), and PostgreSQL 15 has none that doesn't raise. So the text is made
shorter until nothing is left: strings and scalars become one character each, then every bracket that holds
nothing but those becomes one, from the inside out, as often as there are brackets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sluiceway.sql.emit.shapes import with_parts
from sluiceway.sql.emit.template import fill

if TYPE_CHECKING:
    from sqlglot import exp

__all__ = ["is_json_postgres", "is_json_spark"]

# \x01 stands for a string, \x02 for another value: control characters that no valid text has
_PARTS = {
    "control": r"[\x00-\x08\x0B\x0C\x0E-\x1F]",
    "string": r'"([^"\\\x00-\x1F]|\\["\\/bfnrt]|\\u@low|\\u[dD][89abAB]@h@h\\u[dD][c-fC-F]@h@h)*"',
    "low": "([0-9a-ce-fA-CE-F]@h@h@h|[dD][0-7]@h@h)",
    "scalar": r"-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]+)?|true|false|null|"
    "-?[nN][aA][nN]|-?[iI][nN][fF]([iI][nN][iI][tT][yY])?",
    "nested": r"\[(@v(,@v)*,?)?\]|\{(\x01:@v(,\x01:@v)*,?)?\}",
    "v": r"[\x01\x02]",
    "h": "[0-9a-fA-F]",
}
_SPARK = (
    r"CASE WHEN :t IS NULL THEN NULL WHEN :t RLIKE '@control' THEN FALSE ELSE aggregate("
    "sequence(0, length(:t) - length(replace(replace(:t, '[', ''), '{', ''))), "
    "regexp_replace(regexp_replace(regexp_replace(:t, '@string', decode(X'01', 'UTF-8')), '@scalar', "
    r"decode(X'02', 'UTF-8')), '[ \t\n\r]', ''), "
    "(shape, i) -> regexp_replace(shape, '@nested', decode(X'02', 'UTF-8'))) IN (decode(X'01', 'UTF-8'), "
    "decode(X'02', 'UTF-8')) END"
)
_POSTGRES = (
    "CASE WHEN :t IS NULL THEN NULL WHEN :t ~ '@control' THEN FALSE ELSE (WITH RECURSIVE shapes AS ("
    "SELECT regexp_replace(regexp_replace(regexp_replace(:t, '@string', chr(1), 'g'), '@scalar', "
    "chr(2), 'g'), "
    r"'[ \t\n\r]', '', 'g') AS shape, 0 AS at "
    "UNION ALL SELECT regexp_replace(shape, '@nested', chr(2), 'g'), at + 1 FROM shapes "
    "WHERE shape ~ '@nested') SELECT bool_or(shape IN (chr(1), chr(2))) FROM shapes) END"
)


def is_json_spark(text: exp.Expr) -> exp.Expr:
    """Spark's strings take a backslash for an escape: each is written twice."""
    parts = {name: part.replace("\\", "\\\\") for name, part in _PARTS.items()}
    return fill("spark", with_parts(_SPARK.replace("\\", "\\\\"), parts), t=text)


def is_json_postgres(text: exp.Expr) -> exp.Expr:
    """Its text has no NUL, and its expressions no range that starts there."""
    parts = {name: part.replace(r"\x00", r"\x01") for name, part in _PARTS.items()}
    return fill("postgres", with_parts(_POSTGRES, parts), t=text)
