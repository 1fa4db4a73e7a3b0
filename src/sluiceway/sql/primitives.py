"""The small set of functions that rules and declarative steps are built from.

A primitive is a neutral call, ``SW_NAME(args)``, in a plan's trees. ``lower`` replaces it by what a
dialect says; a dialect without an emitter for it is an error at plan time, never a guess. Plain SQL
that means the same everywhere (comparisons, AND/OR/NOT, CASE, COALESCE, COUNT, SUM, MIN, MAX, IN)
needs no primitive. Nothing here subclasses sqlglot: its compiled build forbids that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from sluiceway.errors import PlanError
from sluiceway.sql.emit import bigquery, duckdb, mysql, postgres, snowflake, spark

if TYPE_CHECKING:
    from sluiceway.sql.emit.template import Emitter

__all__ = ["PRIMITIVES", "Primitive", "call", "lower", "render", "support"]

_PREFIX = "SW_"


@dataclass(frozen=True)
class Primitive:
    """``emitters`` is the declared table of support: dialect -> how it is written there."""

    name: str
    doc: str
    emitters: Mapping[str, Emitter]


_DIALECTS: Mapping[str, Mapping[str, Emitter]] = {
    "duckdb": duckdb.EMITTERS,
    "spark": spark.EMITTERS,
    "postgres": postgres.EMITTERS,
    "snowflake": snowflake.EMITTERS,
    "bigquery": bigquery.EMITTERS,
    "mysql": mysql.EMITTERS,
}

_DOCS = {
    "matches": "matches(text, pattern): the whole text matches the RE2 pattern",
    "substring": "substring(text, start, n): n code points from start, which counts from 1",
    "concat": "concat(a, b): one text after the other; NULL if one is",
    "mod97": "mod97(text): the number that 0-9 and A-Z (10 to 35) spell, modulo 97, as ISO 7064 reads it; "
    "up to 34 characters; what it gives for other characters is not fixed",
    "among": "among(value, json, 'TYPE'): equals one of the values in the JSON array, which are texts that "
    "cast to TYPE; for long lists",
    "is_nan": "is_nan(float): TRUE for NaN",
    "is_finite": "is_finite(float): neither NaN nor infinite",
    "is_json": "is_json(text): can be parsed as JSON",
    "hash64": "hash64(a, …): 64 bits, equal where all arguments are equal; not the same on two engines",
    "count_distinct_dense": "count_distinct_dense(integer, low, high): exact number of distinct values, all "
    "of which lie between the two literals; takes a bit for each number between them; NULL over no rows",
    "length": "length(text): number of code points",
    "try_cast": "try_cast(value, 'TYPE', 'FROM'): NULL where it does not fit; FROM is the value's own type, "
    "VARCHAR if absent",
    "count_if": "count_if(condition): rows where it is TRUE",
    "least_rows": "least_rows(n, value, …): the n least rows of these values, a list of lists; NULL for none",
    "divide": "divide(a, b): NULL where b is 0",
    "string_of": "string_of(value, 'TYPE', 'exact'): the value, which is of TYPE, as DuckDB's text; it casts "
    "back to TYPE exactly. Without 'exact' a FLOAT may have other digits of the same number elsewhere",
    "row_json": "row_json('name', text, …): a JSON object of texts, NULL as null, without blanks",
    "list_json": "list_json(text, …): a JSON array of texts",
    "reasons_json": "reasons_json(condition, 'id', …): a JSON array of the ids whose condition is TRUE",
    "row_id": "row_id(): a number that no other row of the SELECT has",
    "sha256": "sha256(text): in hexadecimal digits, of the text in UTF-8",
    "hmac_sha256": "hmac_sha256(text, inner, outer): RFC 2104 in hexadecimal digits; inner and outer are the "
    "key padded and combined with 0x36 and 0x5C, 64 bytes each, bound beside the SQL",
    "unnest_item": "unnest_item(list, keep): in a SELECT's columns: a row for each element, its "
    "value; keep is "
    "TRUE or FALSE: a list that is empty or NULL gives one row with NULL",
    "unnest_number": "unnest_number(list, keep): beside unnest_item of the same list: the element's number, "
    "from 1",
    "edit_distance": "edit_distance(a, b): insertions, deletions and substitutions of one letter that make "
    "ASCII text a into b",
    "mapped": "mapped(text, json): what a JSON object of texts has under the text, NULL if nothing",
    "nfc": "nfc(text): composed characters, Unicode's normalisation form C",
    "title": "title(text): the first letter of each word capital; words are apart by single blanks",
    "hide": "hide(text, n): asterisks for all but the last n code points; for all if there are no more",
}

PRIMITIVES: dict[str, Primitive] = {
    name: Primitive(name, doc, {d: e[name] for d, e in _DIALECTS.items() if name in e})
    for name, doc in _DOCS.items()
}


def call(name: str, *args: Any) -> exp.Expr:
    """A neutral call of primitive ``name``; plain Python values become literals.

    >>> lower(call("matches", exp.column("email"), ".+@.+"), "duckdb").sql("duckdb")
    "REGEXP_FULL_MATCH(email, '.+@.+')"
    """
    if name not in PRIMITIVES:
        raise KeyError(f"no primitive {name}")
    args_ = [a if isinstance(a, exp.Expr) else exp.convert(a) for a in args]
    return exp.Anonymous(this=_PREFIX + name.upper(), expressions=args_)


def lower(tree: exp.Expr, dialect: str) -> exp.Expr:
    """A copy of ``tree`` with every primitive written in ``dialect``.

    Raises:
        PlanError: the dialect has no emitter for one of them.
    """

    def rewrite(node: Any) -> Any:
        if isinstance(node, exp.Anonymous) and node.name.startswith(_PREFIX):
            name = node.name.removeprefix(_PREFIX).lower()
            emitter = PRIMITIVES[name].emitters.get(dialect)
            if emitter is None:
                raise PlanError(f"{name} can't be written for {dialect}")
            return emitter(*[lower(arg, dialect) for arg in node.expressions])
        return node

    lowered: exp.Expr = tree.transform(rewrite)
    return lowered


def render(tree: exp.Expr, dialect: str) -> str:
    """``tree`` as the text that an engine of ``dialect`` runs."""
    return lower(tree, dialect).sql(dialect)


def support() -> dict[str, tuple[str, ...]]:
    """primitive -> dialects, for the docs and for explain."""
    return {name: tuple(sorted(p.emitters)) for name, p in sorted(PRIMITIVES.items())}
