"""DuckDB's SQL in BigQuery's, as far as it is known to mean the same by BigQuery's manual.

A short list: what is not on it is refused with its name. Integers are INT64 whatever DuckDB calls them;
decimals NUMERIC or BIGNUMERIC; a naive timestamp is a DATETIME, one with a zone a TIMESTAMP, a UUID a STRING.
BigQuery's NaN is neither equal to nor greater than anything, so comparisons of floats say what DuckDB's say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from sqlglot import exp

from sluiceway.errors import PlanError
from sluiceway.schema import family
from sluiceway.sql.emit.bigquery_cast import cast
from sluiceway.sql.emit.template import fill
from sluiceway.sql.primitives import PRIMITIVES
from sluiceway.sql.rewrite.bigquery_calls import BRANCHES, CALLS, arithmetic_of
from sluiceway.sql.rewrite.calls import call_of
from sluiceway.sql.rewrite.constants import constant
from sluiceway.sql.rewrite.context import Context
from sluiceway.sql.rewrite.operators import OPERATORS, as_boolean, common
from sluiceway.sql.rewrite.queries import align_sides, unordered
from sluiceway.sql.rewrite.walk import PRIMITIVE, Walk
from sluiceway.sql.scopes import type_of
from sluiceway.sql.types import to_engine

__all__ = ["BigQueryContext", "BigQueryWalk"]

_LEAVES = (
    exp.Column, exp.Identifier, exp.Null, exp.Boolean, exp.Star, exp.DataType, exp.DataTypeParam,
    exp.Placeholder, exp.Var, exp.Interval, exp.IntervalSpan,
)  # fmt: skip
_SHAPES = (
    exp.Alias, exp.Paren, exp.Select, exp.From, exp.Join, exp.Where, exp.Group, exp.Having, exp.Table,
    exp.TableAlias, exp.With, exp.CTE, exp.Subquery, exp.Order, exp.Ordered, exp.Limit, exp.Offset,
    exp.Distinct, exp.Exists, exp.Union, exp.Intersect, exp.Except, exp.Window, exp.WindowSpec,
    exp.RowNumber, exp.Rank, exp.DenseRank, exp.Lag, exp.Lead, exp.Tuple, exp.Filter,
)  # fmt: skip
_SHARED = (
    exp.Between, exp.Like, exp.ILike, exp.Escape, exp.And, exp.Or, exp.Not, exp.Is, exp.BitwiseAnd,
    exp.BitwiseOr,
)  # fmt: skip
_AGGREGATES = (exp.Sum, exp.Avg, exp.Min, exp.Max, exp.Count)
_COMPARE: Mapping[type[Any], str] = {
    exp.EQ: ":a = :b OR (IS_NAN(:a) AND IS_NAN(:b))",
    exp.GT: ":a > :b OR (IS_NAN(:a) AND NOT IS_NAN(:b))",
    exp.GTE: ":a >= :b OR (IS_NAN(:a) AND :b = :b) OR (IS_NAN(:a) AND IS_NAN(:b))",
    exp.LT: ":a < :b OR (NOT IS_NAN(:a) AND IS_NAN(:b))",
    exp.LTE: ":a <= :b OR (:a = :a AND IS_NAN(:b)) OR (IS_NAN(:a) AND IS_NAN(:b))",
}


class BigQueryContext(Context):
    """See ``Context``. A rewrite with several templates is for the other engines: here it is refused."""

    def fill(
        self, spark: str, postgres: str | None = None, snowflake: str | None = None, /, **holes: exp.Expr
    ) -> Any:
        if postgres is not None or snowflake is not None:
            raise PlanError("it can't be made the same on BigQuery", where=self.where)
        return fill("bigquery", spark, **holes)

    def cast(self, node: Any, to: str, *, safe: bool = False) -> Any:
        of = self.type(node)
        if of == to:
            return node
        if of == '"NULL"':
            return self.typed(fill("bigquery", f"CAST(NULL AS {self.spelled(to)})"), to)
        if isinstance(node, exp.Literal):
            return constant(self, node, to)
        made = None if safe else cast(node, of, to)
        if made is None:
            raise self.refuse(
                node, f"a cast from {of} to {to} is not known to be the same on",
                "cast it where the source is read (columns: {NAME: TYPE}), or use engine: duckdb",
            )  # fmt: skip
        return self.typed(made, to)

    def spelled(self, type_: str) -> str:
        return to_engine(type_, "bigquery", self.where)


class BigQueryWalk(Walk):
    """What is not on its list is refused."""

    def _rewritten(self, node: Any) -> Any:
        kind = type(node)
        if isinstance(node, exp.Literal):
            return self._literal(node)
        if isinstance(node, _LEAVES):
            return node
        if isinstance(node, exp.Anonymous) and node.name.startswith(PRIMITIVE):
            return self._primitive(node)
        if isinstance(node, _AGGREGATES):
            return self._aggregate(node)
        rewrite = _NODES.get(kind)
        if rewrite is None and call_of(node) is not None:
            rewrite = _call
        if rewrite is not None:
            return self._or_constant(node, rewrite)
        if isinstance(node, _SHAPES):
            return self._shape(node)
        raise self.ctx.refuse(node, "it is not known to be the same on", "use engine: duckdb")

    def _literal(self, node: exp.Literal) -> Any:
        if node.is_string or "e" not in str(node.name).lower():
            return node
        return fill("bigquery", "CAST(:x AS FLOAT64)", x=exp.Literal.string(str(node.name)))

    def _primitive(self, node: exp.Anonymous) -> Any:
        name = node.name.removeprefix(PRIMITIVE).lower()
        emitter = PRIMITIVES[name].emitters.get("bigquery")
        if emitter is None:
            raise self.ctx.refuse(node, f"{name} can't be written for", "run this pipeline on DuckDB")
        args = list(node.expressions)
        if name == "hash64":  # zeros that are equal must have one text
            args = [
                fill("bigquery", ":x + 0.0", x=a) if type_of(a) and self.ctx.family(a) == "float" else a
                for a in args
            ]
        if name == "try_cast" and type_of(args[0]) is not None:
            args = [*args[:2], exp.Literal.string(self.ctx.type(args[0]))]
        try:
            return emitter(*args)
        except PlanError as error:
            raise PlanError(error.message, where=self.ctx.where, hint=error.hint) from None

    def _aggregate(self, node: Any) -> Any:
        if isinstance(node, exp.Count) or (isinstance(node.parent, exp.Window) and node.arg_key == "this"):
            if isinstance(node, exp.Count):
                return node
            raise self.ctx.refuse(node, "over a window it is not known to be the same on", "aggregate apart")
        value, group = node.this, self.ctx.family(node.this)
        if isinstance(value, exp.Distinct):
            raise self.ctx.refuse(node, "of distinct values it is not the same on", "aggregate a subquery")
        if isinstance(node, exp.Avg) and group in ("integer", "decimal", "float"):
            return fill("bigquery", "CAST(sum(:x) AS FLOAT64) / nullif(count(:x), 0)", x=value)
        if isinstance(node, exp.Sum) and group in ("integer", "decimal", "float"):
            return node
        if isinstance(node, exp.Min | exp.Max):
            if group in ("integer", "decimal", "text", "date", "timestamp", "timestamptz", "uuid"):
                return node
            if group == "float":
                return _end_of_floats(node)
            if group == "boolean":
                return fill(
                    "bigquery", f"logical_{'and' if isinstance(node, exp.Min) else 'or'}(:x)", x=value
                )
        raise self.ctx.refuse(node, "of this type it is not known to be the same on", "cast it first")

    def _shape(self, node: Any) -> Any:
        ctx = self.ctx
        if isinstance(node, exp.Filter):
            return _filtered(ctx, node)
        if isinstance(node, exp.Window):
            unordered(ctx, node)
        elif isinstance(node, exp.CTE):
            node.set("materialized", None)
        elif isinstance(node, exp.Ordered):
            return self._ordered(node)
        elif isinstance(node, exp.Order):
            node.set("expressions", [made for term in node.expressions for made in _terms(term)])
        elif isinstance(node, exp.Select):
            self._select(node)
        elif isinstance(node, exp.SetOperation):
            types = self.sides.get(id(node))
            if types is not None:
                align_sides(ctx, node, types)
        elif isinstance(node, exp.With) and node.recursive:
            raise ctx.refuse(node, "WITH RECURSIVE is not known to be the same on", "use engine: duckdb")
        return node

    def _ordered(self, node: exp.Ordered) -> Any:
        node.set("nulls_first", bool(node.args.get("nulls_first")))
        known = type_of(node.this)
        if known is not None and family(known) in ("nested", "json", "interval"):
            raise self.ctx.refuse(
                node, f"an order of {known} is not the same on", "order by another column, or cast to DECIMAL"
            )
        return node

    def _select(self, select: exp.Select) -> None:
        for key in ("where", "having"):
            part = select.args.get(key)
            if part is not None:
                part.set("this", as_boolean(self.ctx, part.this))
        joins = []
        for join in select.args.get("joins") or []:
            kind, on = str(join.kind or "").upper(), join.args.get("on")
            if join.args.get("method"):
                raise self.ctx.refuse(join, "this join is not the same on", "join ON a condition")
            if on is not None:
                join.set("on", as_boolean(self.ctx, on))
            if kind not in ("SEMI", "ANTI"):
                joins.append(join)
                continue
            inner = exp.select(exp.Literal.number(1), copy=False).from_(join.this.copy())
            there: Any = exp.Exists(this=inner.where(join.args["on"].copy()))
            select.where(there if kind == "SEMI" else exp.Not(this=there), copy=False)
        select.set("joins", joins)


def _terms(term: exp.Ordered) -> list[exp.Ordered]:
    """NaN is the greatest in DuckDB and the least in BigQuery."""
    known = type_of(term.this)
    if known is None or family(known) != "float":
        return [term]
    first = term.copy()
    first.set("this", fill("bigquery", "IS_NAN(:x)", x=term.this))
    return [first, term]


def _filtered(ctx: Any, node: exp.Filter) -> Any:
    """BigQuery's aggregates have no FILTER; they leave NULL out."""
    core, condition = node.this, as_boolean(ctx, node.expression.this)
    if isinstance(core, exp.Count) and isinstance(core.this, exp.Star):
        return fill("bigquery", "countif(:c)", c=condition)
    for inner in list(core.find_all(*_AGGREGATES, exp.Anonymous)):
        name = inner.name.lower() if isinstance(inner, exp.Anonymous) else ""
        if name and name not in ("countif", "logical_and", "logical_or"):
            continue
        value = inner.expressions[0] if name else inner.this
        if isinstance(value, exp.Distinct):
            value = value.expressions[0]
        if name == "countif":
            value.replace(exp.and_(condition.copy(), value.copy()))
        else:
            value.replace(exp.Case().when(condition.copy(), value.copy()))
    return core


def _end_of_floats(node: Any) -> Any:
    """NaN is the greatest in DuckDB; in BigQuery it is whatever min and max come to if it is there."""
    value, name = node.this, type(node).__name__.lower()
    numbers = f"{name}(CASE WHEN NOT IS_NAN(:x) THEN :x END)"
    nan = "countif(IS_NAN(:x)) > 0 THEN CAST('NaN' AS FLOAT64)"
    if name == "min":
        return fill("bigquery", f"coalesce({numbers}, CASE WHEN {nan} END)", x=value)
    return fill("bigquery", f"CASE WHEN {nan} ELSE {numbers} END", x=value)


def _compare(ctx: Any, node: Any) -> Any:
    left, right = node.this, node.expression
    if isinstance(left, exp.Tuple) or isinstance(right, exp.Tuple):
        raise ctx.refuse(node, "rows are not compared alike on", "compare column by column")
    left, right = common(ctx, node, left, right)
    groups = {ctx.family(left), ctx.family(right)}
    if groups & {"nested", "json", "interval", "time", "unknown"}:
        raise ctx.refuse(node, "these are not compared alike on", "compare their parts")
    plain = type(node)(this=_side(left), expression=_side(right))
    if "float" not in groups or isinstance(node, exp.NullSafeEQ | exp.NullSafeNEQ):
        return plain
    if _number(left) or _number(right):  # a number that is written out is not NaN
        return exp.paren(fill("bigquery", _beside_number(node, left), a=left, b=right))
    if isinstance(node, exp.NEQ):
        return exp.Not(this=exp.paren(fill("bigquery", _COMPARE[exp.EQ], a=left, b=right)))
    return exp.paren(fill("bigquery", _COMPARE[type(node)], a=left, b=right))


def _beside_number(node: Any, left: Any) -> str:
    sign = {exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}[type(node)]
    if isinstance(node, exp.EQ | exp.NEQ):
        return f":a {sign} :b"
    greater = isinstance(node, exp.GT | exp.GTE)
    column = ":b" if _number(left) else ":a"
    return f":a {sign} :b OR IS_NAN({column})" if greater != _number(left) else f":a {sign} :b"


def _number(node: Any) -> bool:
    bare = node
    while isinstance(bare, exp.Paren | exp.Neg | exp.Cast):
        bare = bare.this
    return isinstance(bare, exp.Literal) and bool(re.fullmatch(r"[-\d.]+", str(bare.name)))


def _side(node: Any) -> Any:
    return exp.paren(node) if isinstance(node, exp.Connector | exp.Not | exp.Predicate) else node


def _in(ctx: Any, node: exp.In) -> Any:
    query = node.args.get("query")
    if query is None:
        made: Any = OPERATORS[exp.In](ctx, node)
        return made
    if isinstance(node.this, exp.Tuple):  # a row is a STRUCT there, and a query in IN gives one column
        inner = query.this if isinstance(query, exp.Subquery) else query
        if not isinstance(inner, exp.Select):
            raise ctx.refuse(node, "IN of this query is not the same on", "join the two")
        columns = [e.unalias() for e in inner.expressions]
        inner.set("expressions", [exp.Struct(expressions=columns)])
        node.set("this", exp.Struct(expressions=node.this.expressions))
    return node


def _cast_node(ctx: Any, node: Any) -> Any:
    to = ctx.type(node)
    if isinstance(node.this, exp.Literal | exp.Null):
        return constant(ctx, node, to)
    return ctx.cast(node.this, to, safe=isinstance(node, exp.TryCast))


def _concat(ctx: Any, node: Any) -> Any:
    if ctx.type(node) != "VARCHAR":
        raise ctx.refuse(node, "|| of this type is not the same on", "use || for text")
    texts = [ctx.cast(side, "VARCHAR") for side in (node.this, node.expression)]
    return exp.Anonymous(this="concat", expressions=texts)


def _call(ctx: Any, node: Any) -> Any:
    found = call_of(node)
    name, args = found if found is not None else ("", [])
    way = CALLS.get(name)
    made = way(ctx, node, args) if way is not None else None
    if made is None:
        types = ", ".join(ctx.type(arg) for arg in args)
        raise ctx.refuse(
            node,
            f"{name}({types}) is not known to be the same on",
            "use a simpler function, or engine: duckdb",
        )
    return made


_NODES: Mapping[type[Any], Callable[[Any, Any], Any]] = {
    **dict.fromkeys((*_COMPARE, exp.NEQ, exp.NullSafeEQ, exp.NullSafeNEQ), _compare),
    **{kind: OPERATORS[kind] for kind in _SHARED},
    **dict.fromkeys((exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.Mod, exp.Neg), arithmetic_of),
    **BRANCHES, exp.In: _in, exp.DPipe: _concat, exp.Cast: _cast_node, exp.TryCast: _cast_node,
}  # fmt: skip
