"""Fields of structs, on an engine that has none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from sluiceway.sql.scopes import type_of

if TYPE_CHECKING:
    from sluiceway.schema import Schema
    from sluiceway.sql.rewrite.context import Context

__all__ = ["refuse_fields"]


def refuse_fields(ctx: Context, tree: Any, schemas: Mapping[str, Schema]) -> None:
    """PostgreSQL keeps a struct as JSON, which has no columns.

    Args:
        tree: with its types (``annotate``).

    Raises:
        PlanError: a field of a struct is read, with its line.
    """
    if ctx.dialect != "postgres":
        return
    structs = {c.name.casefold() for s in schemas.values() for c in s if c.type.upper().startswith("STRUCT(")}
    named = {t.alias_or_name.casefold() for t in tree.find_all(exp.Table, exp.Subquery, exp.CTE)}
    for node in tree.find_all(exp.Dot, exp.Column):
        if isinstance(node, exp.Dot):
            found = str(type_of(node.this) or "").upper().startswith("STRUCT(")
        else:
            found = bool(node.args.get("db")) or node.table.casefold() in structs - named
        if found:
            raise ctx.refuse(
                node, "a field of a STRUCT can't be read on", "use engine: duckdb or spark for this step"
            )
