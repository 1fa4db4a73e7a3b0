"""What the steps share: columns, users' expressions, and the shape of a step's SELECT."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from sluiceway.errors import PlanError, Where, did_you_mean
from sluiceway.schema import Schema
from sluiceway.sql.names import bind_tables, tables_of
from sluiceway.sql.safe import parse_expression, with_clock
from sluiceway.sql.support import AGGREGATES, WINDOW_ONLY

if TYPE_CHECKING:
    from sluiceway.transforms.base import StepContext

__all__ = [
    "CURRENT",
    "as_list",
    "bind_variables",
    "col",
    "current",
    "expression",
    "is_aggregate",
    "looks_beyond_the_row",
    "mapping_fields",
    "outer_columns",
    "subquery_reads",
    "unique_names",
]

CURRENT = "_"
"""The alias of the relation that a step reads; users write ``_.amount`` or just ``amount``."""


def col(name: str, table: str | None = CURRENT) -> exp.Expr:
    """A quoted column of ``table``.

    >>> col("order id").sql("duckdb")
    '_."order id"'
    """
    quoted = exp.to_identifier(name, quoted=True)
    return exp.column(quoted, table=exp.to_identifier(table)) if table else exp.column(quoted)


def current(ctx: StepContext) -> exp.Expr:
    """The relation that the step reads, as ``_``."""
    return exp.alias_(ctx.table(), CURRENT, table=True)


def as_list(value: str | Sequence[str] | None) -> list[str]:
    if value is None:
        return []
    return [value] if isinstance(value, str) else list(value)


def mapping_fields(value: Any, field: str, own: Collection[str]) -> dict[str, Any]:
    """The fields out of ``{column: …}``, or of ``{field: {column: …}, option: …}``.

    >>> mapping_fields({"a": "b"}, "columns", ["columns"])
    {'columns': {'a': 'b'}}
    """
    if isinstance(value, dict) and isinstance(value.get(field), dict) and set(value) <= set(own):
        return dict(value)
    return {field: value}


def unique_names(names: Iterable[str], where: Where) -> None:
    """Raise PlanError for a name that stands twice (case is ignored, as SQL does)."""
    seen: set[str] = set()
    for name in names:
        if not name:
            raise PlanError("a column needs a name", where=where, hint="write a name of one letter at least")
        if name.casefold() in seen:
            raise PlanError(f"two columns would be named '{name}'", where=where, hint="rename one of them")
        seen.add(name.casefold())


def expression(text: str, ctx: StepContext, *, schema: Schema | None = None) -> Any:
    """A user's expression over the columns of the current relation, ready to be run.

    Columns are checked; subqueries may read any relation; ``:vars`` are bound; clocks are the run's.

    Raises:
        PlanError: not allowed, or a column or relation that does not exist.
    """
    tree = bind_tables(parse_expression(text, ctx.where), ctx.schemas, ctx.where, current=ctx.current)
    schema = schema or ctx.schema
    for column in outer_columns(tree):
        _check_column(column, schema, ctx)
    return bind_variables(with_clock(tree, ctx.started_at), ctx)


def outer_columns(tree: exp.Expr) -> list[exp.Column]:
    """Columns that stand outside of subqueries and are no variable of a list comprehension."""
    found = []
    for column in tree.find_all(exp.Column):
        if column.find_ancestor(exp.Select) is not None:
            continue
        loop = column.find_ancestor(exp.Comprehension)
        if loop is not None and column.name == loop.expression.name:
            continue
        found.append(column)
    return found


def _check_column(column: exp.Column, schema: Schema, ctx: StepContext) -> None:
    if isinstance(column.this, exp.Star):
        return
    parts = [part.name for part in column.parts]
    named = parts[0] == CURRENT or parts[0].casefold() == ctx.current.casefold()
    if len(parts) > 1 and named and parts[0] not in schema:
        schema.require([parts[1]], ctx.where)
        first = column.parts[0]
        first.replace(exp.to_identifier(CURRENT))
        return
    if parts[0] in schema:  # a column, or a field of a struct
        return
    if len(parts) > 1 and parts[0] in ctx.schemas:
        raise PlanError(
            f"'{'.'.join(parts)}' reads another relation", where=ctx.where, hint=f"join {parts[0]} first"
        )
    schema.require([parts[0]], ctx.where)


def bind_variables(tree: Any, ctx: StepContext) -> Any:
    """``tree`` with every ``:var`` bound beside the SQL.

    Raises:
        PlanError: a variable that was not given.
    """

    def rewrite(node: Any) -> Any:
        if not isinstance(node, exp.Placeholder):
            return node
        if node.name not in ctx.variables:
            raise PlanError(
                f"the variable :{node.name} has no value",
                where=ctx.where,
                hint=_variable_hint(node.name, ctx.variables),
            )
        return ctx.bind(ctx.variables[node.name])

    return tree.transform(rewrite, copy=False)


def _variable_hint(name: str, known: Mapping[str, Any]) -> str:
    close = f"; {did_you_mean(name, known)}" if known else ""
    return f"give it: --vars {name}=VALUE{close}"


def subquery_reads(texts: Iterable[str]) -> tuple[str, ...]:
    """Relations that the expressions' subqueries name. What can't be parsed names none: ``compile``
    refuses it, and knows the place."""
    found: dict[str, None] = {}
    for text in texts:
        with suppress(PlanError):
            found.update(dict.fromkeys(tables_of(parse_expression(text, Where()))))
    return tuple(name for name in found if name != CURRENT)


def is_aggregate(node: Any) -> bool:
    """Whether ``node`` itself is a call of an aggregate function."""
    if isinstance(node, exp.Anonymous):
        return node.name.lower() in AGGREGATES
    return isinstance(node, exp.AggFunc) and not is_window_function(node)


def is_window_function(node: Any) -> bool:
    """Whether ``node`` can only stand before OVER."""
    if isinstance(node, exp.Anonymous):
        return node.name.lower() in WINDOW_ONLY
    return isinstance(node, exp.Func) and node.sql_name().lower() in WINDOW_ONLY


def looks_beyond_the_row(texts: Iterable[str]) -> bool:
    """Whether an expression looks at other rows: a window, an aggregate or a subquery."""
    for text in texts:
        for node in parse_expression(text, Where()).walk():
            if isinstance(node, exp.Query | exp.Window) or is_aggregate(node):
                return True
    return False
