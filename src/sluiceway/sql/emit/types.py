"""The parts of a nested type in DuckDB's spelling."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

__all__ = ["fields_of", "item_of"]


def item_of(type_: str) -> str:
    """The type of a list's elements.

    >>> item_of("STRUCT(a INTEGER[])[]"), item_of("INTEGER[][]"), item_of("INTEGER[3]")
    ('STRUCT(a INTEGER[])', 'INTEGER[]', 'INTEGER')
    """
    return type_[: type_.rindex("[")]


def fields_of(type_: str) -> list[tuple[str, str]]:
    """A struct's fields, each with its type.

    >>> fields_of('STRUCT(a INTEGER, "b c" VARCHAR[])')
    [('a', 'INTEGER'), ('b c', 'VARCHAR[]')]
    """
    built: Any = exp.DataType.build(type_, dialect="duckdb")
    return [(field.name, spelled(field.args["kind"])) for field in built.expressions]


def spelled(type_: exp.DataType) -> str:
    """A type out of a tree, in DuckDB's own spelling."""
    from sluiceway.sql.typing import canonical

    return canonical(type_.sql("duckdb"))
