"""The parts of a nested type in DuckDB's spelling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlglot import exp

if TYPE_CHECKING:
    from sluiceway.errors import Where

__all__ = ["canonical", "fields_of", "item_of", "parsed", "spelled"]


def item_of(type_: str) -> str:
    """The type of a list's elements.

    >>> item_of("STRUCT(a INTEGER[])[]"), item_of("INTEGER[][]"), item_of("INTEGER[3]")
    ('STRUCT(a INTEGER[])', 'INTEGER[]', 'INTEGER')
    """
    return type_[: type_.rindex("[")]


def parsed(type_: str) -> Any:
    """The tree of a type."""
    return exp.DataType.build(type_, dialect="duckdb")


def fields_of(type_: str) -> list[tuple[str, str]]:
    """A struct's fields, each with its type.

    >>> fields_of('STRUCT(a INTEGER, "b c" VARCHAR[])')
    [('a', 'INTEGER'), ('b c', 'VARCHAR[]')]
    """
    return [(field.name, spelled(field.args["kind"])) for field in parsed(type_).expressions]


def spelled(type_: exp.DataType) -> str:
    """A type out of a tree, in DuckDB's own spelling."""
    return canonical(type_.sql("duckdb"))


def canonical(type_: str, where: Where | None = None) -> str:
    """As ``typing.canonical``, which asks DuckDB and so can't be imported before it."""
    from sluiceway.sql import typing

    return typing.canonical(type_, where)
