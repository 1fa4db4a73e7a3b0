"""Where the Open Data Contract Standard has a place for a rule of ours.

In this order: a word about the column (``required``, ``unique``, ``logicalTypeOptions``,
``relationships``), a metric of its library or a query with a comparison, and for everything else a check
of ``engine: sluiceway`` that holds the rule as it is. These functions only propose; ``spec.odcs_write``
takes the first proposal that reads back as the same rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from sluiceway.spec.entries import Entry, entry_of, fields_of, options_of
from sluiceway.spec.odcs_quality import OPERATORS, OWN_OPTIONS

__all__ = ["checks", "custom", "words"]

STABLE_ID = re.compile(r"[A-Za-z0-9_-]+")
_REFERENCE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\.[A-Za-z_][A-Za-z0-9_]*")
_FORMATS = {"email": "email", "uuid": "uuid", "url": "uri", "ipv4": "ipv4", "ipv6": "ipv6"}
_BOUNDS = {
    "min": "minimum",
    "max": "maximum",
    "min_exclusive": "exclusiveMinimum",
    "max_exclusive": "exclusiveMaximum",
}
_NUMERIC = ("number", "integer")
_TEMPORAL = ("date", "timestamp", "time")
_OUR_OPERATORS = {ours: theirs for theirs, ours in OPERATORS.items()}
_ITEM_OPTIONS = ("description", "dimension", "severity")
"""Options of ours that the standard's checks have too, by the same name."""


def words(entry: Entry, own_name: str, logical: str | None) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Keys of the property, and the value there: ``(("required",), True)``.

    Args:
        own_name: the schema object's name, which a reference to itself begins with.
        logical: the property's logicalType, which decides what its options may hold.
    """
    if options_of(entry):
        return
    kind, fields = entry.rule.kind, fields_of(entry.rule)
    if kind == "not_null":
        yield ("required",), True
    elif kind == "unique":
        yield ("unique",), True
    elif kind == "relationships" and isinstance(fields["to"], str):
        parent, _, column = fields["to"].rpartition(".")
        to = f"{own_name if parent == '_' else parent}.{column}"
        if _REFERENCE.fullmatch(to):
            yield ("relationships",), [{"type": "foreignKey", "to": to}]
    else:
        options = _type_options(kind, fields, logical)
        if options:
            yield ("logicalTypeOptions",), options


def _type_options(kind: str, fields: Mapping[str, Any], logical: str | None) -> dict[str, Any]:
    if kind == "length" and logical == "string":
        low, high = fields.get("min", fields.get("exact")), fields.get("max", fields.get("exact"))
        return {k: v for k, v in (("minLength", low), ("maxLength", high)) if v is not None}
    if kind == "pattern" and logical == "string":
        if "regex" in fields:
            return {"pattern": fields["regex"]}
        return {"format": _FORMATS[fields["format"]]} if fields["format"] in _FORMATS else {}
    if kind == "range":
        bounds = {theirs: fields[ours] for ours, theirs in _BOUNDS.items() if ours in fields}
        numbers = logical in _NUMERIC and all(_is_number(v) for v in bounds.values())
        texts = logical in _TEMPORAL and all(isinstance(v, str) for v in bounds.values())
        return bounds if numbers or texts else {}
    if kind == "expression" and logical in _NUMERIC:
        found = re.fullmatch(
            r'"(?:[^"]|"")+" % ([0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?) = 0', fields["expression"]
        )
        if found:
            step = float(found[1])
            return {"multipleOf": int(found[1]) if found[1].isdigit() else step}
    return {}


def checks(entry: Entry, *, under_property: bool) -> Iterator[dict[str, Any]]:
    """Checks of the standard's own library, and queries with a comparison."""
    options = options_of(entry)
    if set(options) - {"name", *_ITEM_OPTIONS, *OWN_OPTIONS}:
        return
    for found in _metric(entry, options, under_property):
        limits = [key for key in found if key in OPERATORS]
        head = {**_named(options), **{k: v for k, v in found.items() if k not in limits}}
        tail = {k: found[k] for k in limits}
        rest = {k: v for k, v in options.items() if k in _ITEM_OPTIONS}
        own = [
            {"property": key, "value": options[key]}
            for key in OWN_OPTIONS
            if key in options and not (key == "tolerance" and limits and found[limits[0]] != 0)
        ]
        yield {**head, **tail, **rest, **({"customProperties": own} if own else {})}


def _named(options: Mapping[str, Any]) -> dict[str, Any]:
    """An id of the standard has no blanks or dots; a name may have them."""
    name = options.get("name")
    if not name:
        return {}
    return {"id": name} if STABLE_ID.fullmatch(name) else {"name": name}


def _metric(entry: Entry, options: Mapping[str, Any], under_property: bool) -> Iterator[dict[str, Any]]:
    kind, fields = entry.rule.kind, fields_of(entry.rule)
    if kind == "sql":
        limits = {theirs: fields[ours] for ours, theirs in _OUR_OPERATORS.items() if ours in fields}
        if len(limits) == 1:
            yield {"type": "sql", "query": _query(fields["query"]), **limits}
        return
    if kind == "row_count" and not under_property:
        limit = _count_limit(fields)
        if limit:
            yield {"metric": "rowCount", **limit}
        return
    metric = _row_metric(kind, fields, under_property)
    if metric is None:
        return
    tolerance = options.get("tolerance")
    if isinstance(tolerance, int) and tolerance > 0:
        yield {**metric, "mustBeLessOrEqualTo": tolerance}
    elif isinstance(tolerance, str):
        share = float(tolerance.rstrip("%"))
        most = int(share) if share == int(share) else share
        yield {**metric, "unit": "percent", "mustBeLessOrEqualTo": most}
    yield {**metric, "mustBe": 0}


def _row_metric(kind: str, fields: Mapping[str, Any], under_property: bool) -> dict[str, Any] | None:
    """The metric that counts what fails; None where the library has none."""
    if kind == "unique":
        columns = fields["column"]
        if under_property:
            return {"metric": "duplicateValues"}
        listed = columns if isinstance(columns, list) else [columns]
        return {"metric": "duplicateValues", "arguments": {"properties": listed}}
    if not under_property:
        return None
    if kind == "not_null":
        return {"metric": "nullValues"}
    if kind == "accepted_values":
        return {"metric": "invalidValues", "arguments": {"validValues": fields["values"]}}
    if kind == "pattern" and "regex" in fields:
        return {"metric": "invalidValues", "arguments": {"pattern": fields["regex"]}}
    if kind == "expression":
        values = _missing(fields["expression"])
        if values is not None:
            return {"metric": "missingValues", "arguments": {"missingValues": values}}
    return None


def _count_limit(fields: Mapping[str, Any]) -> dict[str, Any]:
    if "equals" in fields:
        return {"mustBe": fields["equals"]}
    low, high = fields.get("min"), fields.get("max")
    if low is not None and high is not None:
        return {"mustBeBetween": [low, high]} if low != high else {}  # the standard wants two numbers
    return {"mustBeGreaterOrEqualTo": low} if low is not None else {"mustBeLessOrEqualTo": high}


def _missing(text: str) -> list[Any] | None:
    """The values of ``"a" IS NOT NULL AND "a" NOT IN ('', 'n/a')``; None for another expression."""
    from sqlglot import exp, parse_one
    from sqlglot.errors import SqlglotError

    try:
        tree = parse_one(text, dialect="duckdb")
    except SqlglotError:
        return None
    values: list[Any] = []
    for part in [tree.left, tree.right] if isinstance(tree, exp.And) else [tree]:
        inner = part.this if isinstance(part, exp.Not) else None
        if isinstance(inner, exp.Is) and isinstance(inner.expression, exp.Null):
            values.append(None)
        elif isinstance(inner, exp.In) and inner.expressions:
            found = [_literal(item) for item in inner.expressions]
            if any(item is None for item in found):
                return None
            values += found
        else:
            return None
    return values


def _literal(node: Any) -> Any:
    from sqlglot import exp

    if isinstance(node, exp.Boolean):
        return bool(node.this)
    if isinstance(node, exp.Neg):
        number = _literal(node.this)
        return -number if _is_number(number) else None
    if not isinstance(node, exp.Literal):
        return None
    if node.is_string:
        return str(node.this)
    text = str(node.this)
    return int(text) if text.isdigit() else float(text)


def _query(query: str) -> str:
    """``_`` as ``${object}``: the word that other tools put the table in for."""
    from sqlglot import tokenize
    from sqlglot.errors import SqlglotError

    try:
        tokens = tokenize(query, dialect="duckdb")
    except SqlglotError:
        return query
    for token in reversed(tokens):
        if token.text == "_" and query[token.start : token.end + 1] == "_":
            query = f"{query[: token.start]}${{object}}{query[token.end + 1 :]}"
    return query


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def custom(entry: Entry) -> dict[str, Any]:
    """The rule itself, with what the standard has a word for beside it."""
    options = options_of(entry)
    item = entry_of(entry)
    beside = {key: item.pop(key) for key in _ITEM_OPTIONS if key in item and key in options}
    item.pop("name", None)
    return {**_named(options), "type": "custom", "engine": "sluiceway", "implementation": item, **beside}
