"""A tree of DuckDB's SQL as a tree that means the same on another engine.

``translate(t, d).sql(d)`` gives on engine ``d`` what ``t`` gives on DuckDB, or there is a PlanError that
names the expression and says what to write. Three steps: DuckDB's conveniences are said plainly
(``plain_select``), every expression gets its type from DuckDB's binder (``scopes``), then each node is
rewritten from the leaves up (``rewrite``), our primitives by their emitters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlglot import exp

from sluiceway.errors import PlanError, Where
from sluiceway.schema import Schema
from sluiceway.sql.primitives import lower
from sluiceway.sql.types import NAMES

__all__ = ["DIALECT", "translate"]

DIALECT = "sluiceway_dialect"
"""Key in ``meta`` of a tree that a user wrote in this dialect, not in DuckDB's."""


def translate(
    tree: exp.Expr,
    dialect: str,
    *,
    schemas: Mapping[str, Schema] | None = None,
    over: str | None = None,
    where: Where | None = None,
) -> Any:
    """``tree`` for ``dialect`` (duckdb, spark, postgres or snowflake); the tree given stays as it is.

    Args:
        schemas: of the relations that it names, in DuckDB's types.
        over: ``tree`` is an expression over this one of them.
        where: of the step or rule, for messages.

    >>> import sqlglot
    >>> tree = sqlglot.parse_one("SELECT a / 2 AS h FROM t", read="duckdb")
    >>> translate(tree, "spark", schemas={"t": Schema.of({"a": "INTEGER"})}).sql("spark")
    'SELECT CAST(`a` AS DOUBLE) / CAST(2 AS DOUBLE) AS `h` FROM `t`'

    Raises:
        PlanError: what can't be the same there, with its line and a rewrite.
    """
    own = tree.meta.get(DIALECT)
    if own is not None:
        return _native(tree, str(own), dialect, where)
    if dialect == "duckdb":
        return lower(tree, dialect)
    # most runs are on DuckDB, and need nothing of what follows
    from sluiceway.sql.rewrite.statement import translated

    known = schemas or {}
    if over is not None:
        query = exp.select(exp.alias_(tree.copy(), "_expression")).from_(exp.table_(over, quoted=True))
        return translated(query, dialect, known, where).selects[0].unalias()
    return translated(tree.copy(), dialect, known, where)


def _native(tree: exp.Expr, own: str, dialect: str, where: Where | None) -> Any:
    """A step in an engine's own SQL."""
    if own != dialect:
        raise PlanError(
            f"this step is written in the SQL of {NAMES[own]}, and the pipeline runs on {NAMES[dialect]}",
            where=where,
            hint=f"run it where engine: is {own}, or write the step in DuckDB's SQL, without dialect",
        )
    return tree.copy()
