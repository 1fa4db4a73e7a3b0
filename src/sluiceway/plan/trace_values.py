"""One expression: what flows into it, and what only decides about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlglot import exp

from sluiceway.plan.lineage import NONE, Edges, Subtype, Traced, indirect, through
from sluiceway.sql.support import AGGREGATES, WINDOW_ONLY

__all__ = ["Scope", "Unknown", "aggregates", "resolve", "union", "value"]

_HASHES = frozenset(
    {
        "md5",
        "sha1",
        "sha256",
        "hash",
        "md5_number",
        "md5_number_lower",
        "md5_number_upper",
        "sw_sha256",
        "sw_hmac_sha256",
        "sw_hide",
    }
)
Run = Callable[[Any, Mapping[str, Traced], "Scope | None"], Traced]


@dataclass
class Scope:
    """What names mean at one place. ``aliases`` are the columns that the SELECT itself made."""

    env: Mapping[str, Traced]
    run: Run
    outer: Scope | None = None
    sources: dict[str, Traced] = field(default_factory=dict)
    merged: set[str] = field(default_factory=set)
    hidden: set[str] = field(default_factory=set)
    aliases: dict[str, Edges] = field(default_factory=dict)
    windows: dict[str, Any] = field(default_factory=dict)

    def everything(self) -> Edges:
        return union(s.everything() for s in self.sources.values())


class Unknown(Exception):
    """The columns can't be told apart here; the caller falls back to all that is read."""


def union(parts: Iterable[Edges]) -> Edges:
    return frozenset().union(*parts)


def value(node: Any, scope: Scope) -> Edges:
    """What flows into ``node``; what only decides comes as INDIRECT."""
    for kind, handler in _HANDLERS:
        if isinstance(node, kind):
            return handler(node, scope)
    subtype: Subtype = "AGGREGATION" if _is_aggregate(node) else "TRANSFORMATION"
    masking = isinstance(node, exp.Anonymous) and node.name.lower() in _HASHES
    return through(_children(node, scope), subtype, masking=masking)


def _children(node: Any, scope: Scope) -> Edges:
    return union(value(child, scope) for child in node.iter_expressions())


def _column(node: Any, scope: Scope) -> Edges:
    return resolve(node, scope)


def resolve(node: Any, scope: Scope | None) -> Edges:
    parts = [p.name.casefold() for p in node.parts]
    place = scope
    while place is not None:
        found = _look_up(parts, place)
        if found is not None:
            return found
        place = place.outer
    if node.find_ancestor(exp.Lambda, exp.Comprehension) is not None:
        return NONE  # the variable of a lambda; what it runs over is a child of its own
    raise Unknown


def _look_up(parts: list[str], scope: Scope) -> Edges | None:
    if len(parts) > 1 and parts[0] in scope.sources:
        edges = scope.sources[parts[0]].get(parts[1])
        if edges is not None:
            return edges if len(parts) == 2 else through(edges, "TRANSFORMATION")
    sides = [e for s in scope.sources.values() if (e := s.get(parts[0])) is not None]
    if sides:
        whole = union(sides) if parts[0] in scope.merged else sides[0]
        return whole if len(parts) == 1 else through(whole, "TRANSFORMATION")
    if parts[0] in scope.aliases:
        return (
            scope.aliases[parts[0]] if len(parts) == 1 else through(scope.aliases[parts[0]], "TRANSFORMATION")
        )
    if len(parts) == 1 and parts[0] in scope.sources:  # a whole row as a struct
        return through(scope.sources[parts[0]].everything(), "TRANSFORMATION")
    return None


def _case(node: Any, scope: Scope) -> Edges:
    conditions = [node.this] if node.this is not None else []
    values = [node.args["default"]] if node.args.get("default") is not None else []
    for branch in node.args["ifs"]:
        conditions.append(branch.this)
        values.append(branch.args["true"])
    return _branches(conditions, values, scope)


def _if(node: Any, scope: Scope) -> Edges:
    values = [node.args[key] for key in ("true", "false") if node.args.get(key) is not None]
    return _branches([node.this], values, scope)


def _branches(conditions: list[Any], values: list[Any], scope: Scope) -> Edges:
    decide = union(indirect(value(c, scope), "CONDITIONAL") for c in conditions)
    return decide | union(through(value(v, scope), "TRANSFORMATION") for v in values)


def _window(node: Any, scope: Scope) -> Edges:
    base: Any = node
    named = node.args.get("alias")
    decide = NONE
    while base is not None:
        parts = [*(base.args.get("partition_by") or ())]
        order = base.args.get("order")
        parts += [term.this for term in order.expressions] if order is not None else []
        decide |= union(indirect(value(p, scope), "WINDOW") for p in parts)
        base = scope.windows.get(named.name.casefold()) if named is not None else None
        named = None
    return through(value(node.this, scope), "TRANSFORMATION") | decide


def _filtered(node: Any, scope: Scope) -> Edges:
    condition = indirect(value(node.expression.this, scope), "CONDITIONAL")
    return value(node.this, scope) | condition


def _sorted(node: Any, scope: Scope) -> Edges:
    """ORDER BY within an aggregate: ``this`` is the argument that stands before it."""
    inner = value(node.this, scope) if node.this is not None else NONE
    return inner | union(indirect(value(t.this, scope), "SORT") for t in node.expressions)


def _subquery(node: Any, scope: Scope) -> Edges:
    inner = scope.run(node, scope.env, scope)
    return through(inner.everything(), "TRANSFORMATION") | inner.rows


def _nothing(node: Any, scope: Scope) -> Edges:
    return NONE


def _same(node: Any, scope: Scope) -> Edges:
    return value(node.this, scope)


_HANDLERS: tuple[tuple[Any, Callable[[Any, Scope], Edges]], ...] = (
    (exp.Column, _column),
    ((exp.Literal, exp.Null, exp.Boolean, exp.Placeholder, exp.DataType, exp.Identifier, exp.Star), _nothing),
    ((exp.Alias, exp.Paren), _same),
    (exp.Case, _case),
    (exp.If, _if),
    (exp.Window, _window),
    (exp.Filter, _filtered),
    (exp.Order, _sorted),
    ((exp.Subquery, exp.Select, exp.SetOperation), _subquery),
)


def _is_aggregate(node: Any) -> bool:
    if isinstance(node, exp.Anonymous):
        return node.name.lower() in AGGREGATES
    return isinstance(node, exp.AggFunc) and node.sql_name().lower() not in WINDOW_ONLY


def aggregates(node: Any) -> bool:
    return any(_is_aggregate(n) for n in node.walk())
