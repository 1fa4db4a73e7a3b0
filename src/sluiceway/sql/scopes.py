"""What type every expression of a query has, asked of DuckDB's binder.

Other engines promote, round and compare by other rules, so a rewrite must know what DuckDB would make of
an operand. sqlglot's own types are guesses for many functions; the binder's are what a run would have.
Each SELECT is asked once, for all of its expressions; what can't be asked in one go is asked alone, and
what can't be asked at all has no type: a rewrite that needs it refuses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from sluiceway.errors import PlanError
from sluiceway.schema import Schema
from sluiceway.sql.support import AGGREGATES
from sluiceway.sql.typing import types_of

__all__ = ["TYPE", "annotate", "columns_of", "is_aggregate_call", "outer_names", "type_of"]

TYPE = "sluiceway_type"
"""Key in ``meta`` under which an expression carries its type, in DuckDB's spelling."""


def type_of(node: Any) -> str | None:
    """The type that ``annotate`` found; ``"NULL"`` in quotes for a bare NULL."""
    if isinstance(node, exp.Null):
        return '"NULL"'
    if isinstance(node, exp.Paren) and TYPE not in node.meta:
        return type_of(node.this)
    found = node.meta.get(TYPE)
    return str(found) if found is not None else None


def annotate(tree: exp.Expr, schemas: Mapping[str, Schema]) -> None:
    """Give every expression of ``tree`` its type, in place. ``schemas``: the relations that it names."""
    for select in list(tree.find_all(exp.Select)):
        _Scope(select, schemas).annotate()


def columns_of(select: exp.Select, schemas: Mapping[str, Schema]) -> list[str]:
    """The names of what ``select`` gives, stars included, in order."""
    probe = select.copy()
    for key in ("having", "qualify", "order", "limit", "offset", "with_"):
        probe.set(key, None)
    return [name for name, _ in _Scope(select, schemas).types(probe)]


def outer_names(select: exp.Select, schemas: Mapping[str, Schema]) -> list[str]:
    """The names of all columns that the relations in FROM have."""
    probe = exp.select(exp.Star(), copy=False)
    for key in ("from_", "joins", "laterals"):
        part = select.args.get(key)
        probe.set(key, [p.copy() for p in part] if isinstance(part, list) else part and part.copy())
    if probe.args.get("from_") is None:
        return []
    return [name for name, _ in _Scope(select, schemas).types(probe)]


def is_aggregate_call(node: Any) -> bool:
    if isinstance(node, exp.Anonymous):
        return node.name.lower() in AGGREGATES
    return isinstance(node, exp.AggFunc) and not isinstance(node.parent, exp.Window)


_NO_VALUE = (
    exp.Star, exp.Query, exp.Table, exp.Lambda, exp.Tuple, exp.Interval, exp.DataType, exp.Placeholder,
    exp.Alias, exp.Ordered, exp.PropertyEQ, exp.Columns, exp.Aliases, exp.Distinct, exp.Order,
)  # fmt: skip

_HOLDS_ROWS = (exp.From, exp.Join, exp.In, exp.Exists, exp.Lateral, exp.SetOperation, exp.Subquery, exp.CTE)
"""What a subquery in it is a relation for, not a value."""


def _aggregates(node: Any) -> bool:
    """Whether an aggregate of this very SELECT stands in it; those of subqueries are theirs."""
    return any(is_aggregate_call(n) for n in node.walk(prune=lambda n: isinstance(n, exp.Query)))


@dataclass(frozen=True)
class _Scope:
    select: exp.Select
    schemas: Mapping[str, Schema]

    def annotate(self) -> None:
        nodes = [node for node in _own(self.select) if _has_value(node)]
        for node in self._named():  # ORDER BY takes a projection's name before a column's
            nodes = [n for n in nodes if n is not node]
        whole = [n for n in nodes if _aggregates(n)]
        inside = {id(n) for n in whole}
        self._ask([n for n in nodes if id(n) not in inside], grouped=False)
        self._ask(whole, grouped=True)

    def _named(self) -> list[Any]:
        order = self.select.args.get("order")
        names = {e.alias.casefold() for e in self.select.expressions if isinstance(e, exp.Alias)}
        terms = [term.this for term in order.expressions] if order is not None else []
        return [t for t in terms if isinstance(t, exp.Column) and not t.table and t.name.casefold() in names]

    def _ask(self, nodes: list[Any], *, grouped: bool) -> None:
        """Halves what fails, until one expression is left that can't be asked this way."""
        if not nodes:
            return
        try:
            found = self.described(nodes, grouped=grouped)
        except PlanError:
            if len(nodes) > 1:
                middle = len(nodes) // 2
                self._ask(nodes[:middle], grouped=grouped)
                self._ask(nodes[middle:], grouped=grouped)
            elif not grouped:
                self._ask(nodes, grouped=True)
            return
        for node, (_, type_) in zip(nodes, found, strict=True):
            node.meta[TYPE] = type_

    def described(self, nodes: Iterable[Any], *, grouped: bool) -> list[tuple[str, str]]:
        """Names and types of expressions where ``select`` stands; ``grouped``: beside its own projections,
        so that they may name these and be grouped as these."""
        chosen = [node.copy() for node in nodes]
        probe = exp.select(copy=False)
        for key in ("from_", "joins", "laterals"):
            part = self.select.args.get(key)
            probe.set(key, [p.copy() for p in part] if isinstance(part, list) else part and part.copy())
        for join in probe.args.get("joins") or []:
            if str(join.kind).upper() in ("SEMI", "ANTI"):  # its ON sees both sides
                join.set("kind", None)
        own: list[Any] = []
        if grouped:
            own = [e.copy() for e in self.select.expressions]
            for key in ("group", "windows"):
                part = self.select.args.get(key)
                probe.set(key, [p.copy() for p in part] if isinstance(part, list) else part and part.copy())
        probe.set("expressions", [*own, *[exp.alias_(c, f"_v{i}") for i, c in enumerate(chosen)]])
        try:
            return self.types(probe)[-len(chosen) :]
        except PlanError:
            return self._correlated(probe, chosen, own)

    def types(self, probe: exp.Select) -> list[tuple[str, str]]:
        ctes, recursive = _visible(self.select)
        if ctes:
            probe = probe.copy()
            probe.set("with_", exp.With(expressions=[c.copy() for c in ctes], recursive=recursive))
        return types_of(probe, self.schemas)

    def _correlated(self, probe: exp.Select, chosen: list[Any], own: list[Any]) -> list[tuple[str, str]]:
        """Columns of the queries around: each expression as a scalar subquery there."""
        outer = self.select.parent_select
        if outer is None or not outer.args.get("from_"):
            raise PlanError("no type")
        asked = []
        for i in range(len(chosen)):
            one = probe.copy()
            one.set(
                "expressions", [*probe.expressions[: len(own)], probe.expressions[len(own) + i].copy()][-1:]
            )
            asked.append(exp.Subquery(this=one))
        return _Scope(outer, self.schemas).described(asked, grouped=False)


def _own(select: exp.Select) -> Iterable[Any]:
    """The nodes of a SELECT without those of the queries within it."""
    stack: list[Any] = [
        child for key, value in select.args.items() if key not in ("with_",)
        for child in (value if isinstance(value, list) else [value]) if isinstance(child, exp.Expr)
    ]  # fmt: skip
    while stack:
        node = stack.pop()
        yield node
        if isinstance(node, exp.Query | exp.Lambda | exp.Comprehension) and not isinstance(
            node, exp.Subquery
        ):
            continue
        stack += list(node.iter_expressions())


def _has_value(node: Any) -> bool:
    if isinstance(node, exp.Subquery):  # a scalar one: it is a query, and has a value all the same
        return isinstance(node.this, exp.Query) and not isinstance(node.parent, _HOLDS_ROWS)
    if not isinstance(node, exp.Condition | exp.Filter | exp.WithinGroup) or isinstance(node, _NO_VALUE):
        return False
    if isinstance(node, exp.Column) and isinstance(node.this, exp.Star):
        return False
    # an aggregate under FILTER, OVER or WITHIN GROUP is asked with it
    return not isinstance(node.parent, exp.Filter | exp.Window | exp.WithinGroup) or node.arg_key != "this"


def _visible(select: exp.Select) -> tuple[list[exp.CTE], bool]:
    """The common table expressions that ``select`` may name, in an order that works."""
    found: list[list[exp.CTE]] = []
    recursive = False
    node: Any = select
    child: Any = None
    while node is not None:
        if isinstance(node, exp.With):
            at = next((i for i, cte in enumerate(node.expressions) if cte is child), len(node.expressions))
            stop = at + 1 if node.recursive else at
            found.append(node.expressions[:stop])
            recursive = recursive or bool(node.recursive)
        elif isinstance(node, exp.Query):
            with_ = node.args.get("with_")
            if with_ is not None and with_ is not child:
                found.append(with_.expressions)
                recursive = recursive or bool(with_.recursive)
        node, child = node.parent, node
    return [cte for ctes in reversed(found) for cte in ctes], recursive
