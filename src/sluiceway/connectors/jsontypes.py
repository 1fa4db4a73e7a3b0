"""Whether a JSON value fits a type, as a condition in SQL; nothing in it raises."""

from __future__ import annotations

from typing import Any

from sluiceway.duck import literal

__all__ = ["fits_nested", "object_sql", "pointer_to"]


def pointer_to(name: str) -> str:
    """A JSON pointer: any key, whatever signs it holds.

    >>> pointer_to("a/b~c")
    '/a~1b~0c'
    """
    return "/" + name.replace("~", "~0").replace("/", "~1")


def object_sql(text: str) -> str:
    """The text as JSON where it is an object, else NULL. ``null`` is an object without keys, as
    DuckDB's reader takes it."""
    return (
        f"CASE WHEN json_valid({text}) THEN CASE json_type({text}) WHEN 'OBJECT' THEN CAST({text} AS JSON) "
        "WHEN 'NULL' THEN CAST('{}' AS JSON) END END"
    )


def fits_nested(value: str, type_: str) -> str:
    """A condition: the JSON expression ``value`` fits the nested type in every part.

    TRY_CAST alone makes NULL of a part that does not fit and keeps the rest.
    """
    import duckdb

    return _fits(value, duckdb.type(type_), 0)


def _fits(value: str, type_: Any, depth: int) -> str:
    absent = f"{value} IS NULL OR json_type({value}) = 'NULL'"
    each = f"x{depth}"
    match type_.id:
        case "struct":
            parts = [
                _fits(f"json_extract({value}, {literal(pointer_to(name))})", child, depth)
                for name, child in type_.children
            ]
            shape, inner = "OBJECT", " AND ".join(parts)
        case "list" | "array":
            shape = "ARRAY"
            inner = _all(f"TRY_CAST({value} AS JSON[])", each, _fits(each, type_.children[0][1], depth + 1))
        case "map":
            shape = "OBJECT"
            values = f"json_extract({value}, '$.*')"
            inner = _all(values, each, _fits(each, type_.children[1][1], depth + 1))
        case _:
            text = f"json_extract_string({value}, '$')"
            return f"({absent} OR TRY_CAST({text} AS {type_}) IS NOT NULL)"
    return f"({absent} OR (json_type({value}) = '{shape}' AND {inner}))"


def _all(values: str, each: str, condition: str) -> str:
    return f"COALESCE(len(list_filter({values}, lambda {each}: NOT {condition})), 0) = 0"
