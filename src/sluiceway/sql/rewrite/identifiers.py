"""Names as they are spelled in the schemas, quoted.

DuckDB finds a column whatever the case it is written in; PostgreSQL folds what is not quoted and takes
quoted names as they stand, and Spark gives a result the spelling of the query. So every name gets the one
spelling that it has where it comes from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlglot import exp

from sluiceway.schema import Schema
from sluiceway.sql.names import cte_of

__all__ = ["name_outputs", "spell_names"]


def spell_names(tree: Any, schemas: Mapping[str, Schema]) -> Any:
    """``tree`` with every name quoted and spelled one way, in place."""
    read = {t.name.casefold() for t in tree.find_all(exp.Table) if cte_of(t) is None}
    used = {name: schema for name, schema in schemas.items() if name.casefold() in read}
    relations = {name.casefold(): name for name in used}
    columns: dict[str, str] = {}
    torn: set[str] = set()
    for name, schema in used.items():
        for column in schema.names:
            if columns.setdefault(column.casefold(), column) != column:
                torn.add(name)
    for alias in tree.find_all(exp.TableAlias):
        if alias.this is not None:
            relations.setdefault(alias.name.casefold(), alias.name)
        for column in alias.args.get("columns") or []:
            columns.setdefault(column.name.casefold(), column.name)
    for named in tree.find_all(exp.Alias):
        columns.setdefault(named.alias.casefold(), named.alias)
    _quote(tree, relations, columns)
    for table in list(tree.find_all(exp.Table)):
        if table.name in torn and cte_of(table) is None:
            _one_spelling(table, used[table.name], columns)
    return tree


def _quote(tree: Any, relations: Mapping[str, str], columns: Mapping[str, str]) -> None:
    for node in list(tree.find_all(exp.Identifier)):
        known = relations if _names_relation(node) else columns if _names_column(node) else None
        if known is not None:
            node.set("this", known.get(node.name.casefold(), node.name))
            node.set("quoted", True)


def _names_relation(node: exp.Identifier) -> bool:
    parent = node.parent
    if isinstance(parent, exp.Column):
        return node.arg_key == "table"
    return (isinstance(parent, exp.Table) and node.arg_key == "this") or (
        isinstance(parent, exp.TableAlias) and node.arg_key == "this"
    )


def _names_column(node: exp.Identifier) -> bool:
    parent = node.parent
    if isinstance(parent, exp.Column):
        return node.arg_key == "this"
    if isinstance(parent, exp.Join):
        return node.arg_key == "using"
    if isinstance(parent, exp.TableAlias):
        return node.arg_key == "columns"
    return isinstance(parent, exp.Alias) and node.arg_key == "alias"


def _one_spelling(table: exp.Table, schema: Schema, columns: Mapping[str, str]) -> None:
    """A relation that spells a column in another way than one before it: renamed where it is read."""
    chosen = [
        exp.alias_(exp.column(name, quoted=True), columns[name.casefold()], quoted=True)
        for name in schema.names
    ]
    alias = table.args.get("alias") or exp.TableAlias(this=exp.to_identifier(table.name, quoted=True))
    inner = exp.select(*chosen, copy=False).from_(exp.table_(table.name, quoted=True))
    table.replace(exp.Subquery(this=inner, alias=alias.copy()))


def name_outputs(tree: Any, names: list[str]) -> Any:
    """What the outermost SELECT gives, under the names that DuckDB gives them, in place."""
    first = tree
    while not isinstance(first, exp.Select):
        if not isinstance(first, exp.SetOperation | exp.Subquery):
            return tree
        first = first.this
    if len(first.expressions) != len(names) or any(e.is_star for e in first.expressions):
        return tree
    other = {}
    for node, name in zip(list(first.expressions), names, strict=True):
        given = node.alias_or_name
        if given != name:
            other[given] = name
            node.replace(exp.alias_(node.unalias(), name, quoted=True))
    order = tree.args.get("order")
    for term in order.expressions if order is not None else []:
        named = term.this
        if isinstance(named, exp.Column) and not named.table and named.name in other:
            term.set("this", exp.column(other[named.name], quoted=True))
    return tree
