"""A whole query of DuckDB's for another engine: said plainly, typed, and rewritten from the leaves up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlglot import exp

from sluiceway.errors import PlanError, Where
from sluiceway.schema import Schema
from sluiceway.sql.plain_select import plain_select
from sluiceway.sql.primitives import PRIMITIVES
from sluiceway.sql.rewrite.aggregates import AGGREGATE_CALLS, AGGREGATE_NODES
from sluiceway.sql.rewrite.bigquery import BigQueryContext, BigQueryWalk
from sluiceway.sql.rewrite.calls import CALLS, call_of, rewrite_call
from sluiceway.sql.rewrite.constants import CONSTANTS
from sluiceway.sql.rewrite.context import Context
from sluiceway.sql.rewrite.fields import refuse_fields
from sluiceway.sql.rewrite.identifiers import name_outputs, spell_names
from sluiceway.sql.rewrite.membership import exists_for_not_in
from sluiceway.sql.rewrite.operators import OPERATORS, as_boolean
from sluiceway.sql.rewrite.queries import align_sides, finish_select, in_as_value, unordered
from sluiceway.sql.rewrite.walk import PRIMITIVE, TEXT, Walk
from sluiceway.sql.safe import check_supported
from sluiceway.sql.scopes import TYPE, annotate, type_of
from sluiceway.sql.typing import types_of

__all__ = ["translated"]

_WINDOWS = (
    exp.RowNumber, exp.Rank, exp.DenseRank, exp.PercentRank, exp.CumeDist, exp.Ntile, exp.Lag, exp.Lead,
    exp.FirstValue, exp.LastValue, exp.NthValue,
)  # fmt: skip


def translated(tree: Any, dialect: str, schemas: Mapping[str, Schema], where: Where | None) -> Any:
    """See ``translate``; ``tree``, a query, is changed."""
    tree = tree.transform(_plain_call, copy=False)
    check_supported(tree, dialect, where or Where())
    for node in tree.walk():
        if isinstance(node, exp.Condition) and not isinstance(node, exp.Column | exp.Literal):
            node.meta[TEXT] = node.sql("duckdb")
    names = [name for name, _ in types_of(tree, schemas)]
    plain = plain_select(spell_names(tree, schemas), schemas, where)
    annotate(plain, schemas)
    refuse_fields(Context(dialect, where), plain, schemas)
    sides = {id(u): _types(u, schemas) for u in plain.find_all(exp.SetOperation)}
    if dialect == "bigquery":  # a list of its own, of what is known to be the same
        return name_outputs(BigQueryWalk(BigQueryContext(dialect, where), sides).node(plain), names)
    made = name_outputs(_Walk(Context(dialect, where), sides).node(plain), names)
    return exists_for_not_in(made) if dialect == "spark" else made


def _into(core: Any, layer: Any) -> bool:
    """FILTER, which Snowflake has not, as a CASE around what is aggregated: all its aggregates skip NULL."""
    if not isinstance(layer, exp.Filter):
        return False
    whole = isinstance(core, exp.Count) and isinstance(core.this, exp.Star)
    one = exp.Literal.number(1)
    one.meta[TYPE] = "INTEGER"
    value = one if whole else core.expressions[0] if isinstance(core, exp.Anonymous) else core.this
    place = value.expressions[0] if isinstance(value, exp.Distinct) else value
    case: Any = exp.Case().when(layer.expression.this.copy(), place.copy())
    if TYPE in place.meta:
        case.meta[TYPE] = place.meta[TYPE]
    if whole:
        core.set("this", case)
    else:
        place.replace(case)
    return True


def _plain_call(node: Any) -> Any:
    """The aggregate rule marks aggregates that sqlglot has no class for."""
    if isinstance(node, exp.AnonymousAggFunc):
        return exp.Anonymous(this=node.this, expressions=node.expressions)
    return node


def _types(union: exp.SetOperation, schemas: Mapping[str, Schema]) -> list[str] | None:
    """What DuckDB makes of the columns of a UNION; None where it stands where it can't be asked alone."""
    try:
        return [type_ for _, type_ in types_of(union.copy(), schemas)]
    except PlanError:
        return None


class _Walk(Walk):
    """For Spark, PostgreSQL and Snowflake."""

    def _made(self, node: Any) -> Any:
        aggregate = self._aggregate(node)
        return aggregate if aggregate is not None else super()._made(node)

    def _rewritten(self, node: Any) -> Any:
        kind = type(node)
        if isinstance(node, exp.Anonymous) and node.name.startswith(PRIMITIVE):
            return self._primitive(node)
        if kind in OPERATORS or kind in CALLS or kind in CONSTANTS:
            if isinstance(node, exp.In) and node.args.get("query") is not None:
                return in_as_value(self.ctx, node)
            rewrite = OPERATORS.get(kind) or CALLS.get(kind) or CONSTANTS[kind]
            return self._or_constant(node, rewrite)
        if isinstance(node, exp.CTE) and self.ctx.dialect == "spark":
            node.set("materialized", None)
            return node
        if isinstance(node, exp.Window):
            unordered(self.ctx, node)
            return node
        if isinstance(node, exp.Select):
            finish_select(self.ctx, node)
            return node
        if isinstance(node, exp.SetOperation):
            types = self.sides.get(id(node))
            if types is not None:
                align_sides(self.ctx, node, types)
            return node
        if isinstance(node, _WINDOWS):
            return node
        if call_of(node) is not None and not isinstance(node.parent, exp.Table):
            return self._or_constant(node, rewrite_call)
        return node

    def _primitive(self, node: exp.Anonymous) -> Any:
        name = node.name.removeprefix(PRIMITIVE).lower()
        emitter = PRIMITIVES[name].emitters.get(self.ctx.dialect)
        if emitter is None:
            raise self.ctx.refuse(node, f"{name} can't be written for", "run this pipeline on DuckDB")
        args = list(node.expressions)
        if name == "try_cast" and len(args) == 2 and type_of(args[0]) is not None:
            args.append(exp.Literal.string(self.ctx.type(args[0])))
        try:
            return emitter(*args)
        except PlanError as error:
            raise PlanError(error.message, where=self.ctx.where, hint=error.hint) from None

    def _aggregate(self, node: Any) -> Any:
        """An aggregate with the FILTER and OVER around it; None where ``node`` is none."""
        core, layers = node, []
        while isinstance(core, exp.Filter | exp.Window) and not isinstance(core.this, _WINDOWS):
            layers.append(core)
            core = core.this
        name = AGGREGATE_NODES.get(type(core)) or (
            core.name.lower() if isinstance(core, exp.Anonymous) else ""
        )
        if name not in AGGREGATE_CALLS or (
            isinstance(core, exp.Anonymous) and core.name.startswith(PRIMITIVE)
        ):
            return None
        for layer in layers:
            for child in list(layer.iter_expressions()):
                if child is not layer.this:
                    made = self.node(child)
                    if made is not child:
                        child.replace(made)
            if isinstance(layer, exp.Filter):
                layer.expression.set("this", as_boolean(self.ctx, layer.expression.this))
        if self.ctx.dialect == "snowflake":
            layers = [layer for layer in layers if not _into(core, layer)]
        outer = type_of(node)
        if outer is not None:
            core.meta[TYPE] = outer
        core.meta.setdefault(TEXT, node.meta.get(TEXT, ""))
        self._children(core)

        def over(made: Any) -> Any:
            for layer in reversed(layers):
                around = layer.copy()
                around.set("this", made)
                made = around
            return made

        value = core.expressions[0] if isinstance(core, exp.Anonymous) and core.expressions else core.this
        return AGGREGATE_CALLS[name](self.ctx, core, value, over)
