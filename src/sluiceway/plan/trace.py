"""One SELECT: which columns of what it reads flow into which of its columns.

A small resolver of its own instead of sqlglot's optimizer: it takes what DuckDB takes (lateral aliases,
lambdas, structs, COLUMNS) and, where it can't follow, says "all of it" rather than nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlglot import exp

from sluiceway.plan.lineage import NONE, Edges, Traced, indirect, through
from sluiceway.plan.trace_values import Scope, Unknown, aggregates, resolve, union, value

__all__ = ["trace"]


def trace(query: exp.Expr, known: Mapping[str, Traced]) -> Traced | None:
    """The columns of ``query`` by position; None where that can't be told (COLUMNS(), a struct's unnest).

    ``known`` are the relations it may read, by lower-case name.
    """
    try:
        return _query(query, known, None)
    except Unknown:
        return None


# --- queries ----------------------------------------------------------------------------------------


def _query(query: Any, env: Mapping[str, Traced], outer: Scope | None) -> Traced:
    env = _with(query, env, outer)
    if isinstance(query, exp.Subquery):
        inner = _query(query.this, env, outer)
        return _ordered(query, inner, Scope(env, _query, outer, {"": inner}))
    if isinstance(query, exp.SetOperation):
        return _set_operation(query, env, outer)
    if isinstance(query, exp.Select):
        return _select(query, env, outer)
    raise Unknown


def _with(query: Any, env: Mapping[str, Traced], outer: Scope | None) -> Mapping[str, Traced]:
    with_ = query.args.get("with_")
    if with_ is None:
        return env
    env = dict(env)
    for cte in with_.expressions:
        name, inner = cte.alias.casefold(), cte.this
        if with_.recursive and isinstance(inner, exp.SetOperation):
            env[name] = _renamed(_query(inner.left, env, outer), cte)
            env[name] = _renamed(_query(inner, env, outer), cte)  # the second round closes the circle
        env[name] = _renamed(_query(inner, env, outer), cte)
    return env


def _renamed(traced: Traced, aliased: Any) -> Traced:
    alias = aliased.args.get("alias")
    names = [c.name for c in alias.args.get("columns") or ()] if isinstance(alias, exp.TableAlias) else []
    if not names:
        return traced
    old = list(traced.columns.items())
    columns = {(names[i] if i < len(names) else name): edges for i, (name, edges) in enumerate(old)}
    return Traced(columns, traced.rows)


def _set_operation(query: Any, env: Mapping[str, Traced], outer: Scope | None) -> Traced:
    left, right = _query(query.left, env, outer), _query(query.right, env, outer)
    rows = left.rows | right.rows
    if isinstance(query, exp.Union):
        columns = _side_by_side(left, right, by_name=bool(query.args.get("by_name")))
    else:
        columns = dict(left.columns)
        rows |= indirect(left.everything() | right.everything(), "FILTER")
    whole = Traced(columns, rows)
    return _ordered(query, whole, Scope(env, _query, outer, {"": whole}))


def _side_by_side(left: Traced, right: Traced, *, by_name: bool) -> dict[str, Edges]:
    if by_name:
        columns = {name: edges | (right.get(name) or NONE) for name, edges in left.columns.items()}
        return columns | {n: e for n, e in right.columns.items() if left.get(n) is None}
    if len(left.columns) != len(right.columns):
        raise Unknown
    pairs = zip(left.columns.items(), right.columns.values(), strict=True)
    return {name: edges | other for (name, edges), other in pairs}


def _ordered(query: Any, traced: Traced, scope: Scope) -> Traced:
    return Traced(traced.columns, traced.rows | _order(query.args.get("order"), traced, scope))


def _order(order: Any, made: Traced, scope: Scope) -> Edges:
    found = NONE
    for term in order.expressions if order is not None else ():
        found |= indirect(_term(term.this, made, scope), "SORT")
    return found


def _term(node: Any, made: Traced, scope: Scope) -> Edges:
    """A term of ORDER BY or GROUP BY: a position, ALL, or an expression."""
    if isinstance(node, exp.Literal) and not node.is_string and node.name.isdigit():
        position = int(node.name) - 1
        columns = list(made.columns.values())
        return columns[position] if 0 <= position < len(columns) else NONE
    if isinstance(node, exp.Var) and node.name.upper() == "ALL":
        return made.everything()
    if isinstance(node, exp.Column) and not node.table and (edges := made.get(node.name)) is not None:
        return edges
    return value(node, scope)


def _select(query: Any, env: Mapping[str, Traced], outer: Scope | None) -> Traced:
    scope = Scope(env, _query, outer)
    rows = _sources(query, scope)
    for window in query.args.get("windows") or ():
        scope.windows[window.name.casefold()] = window
    columns: list[tuple[str, Edges]] = []
    for item in query.expressions:
        made = _projection(item, scope)
        columns += made
        if isinstance(item, exp.Alias):
            scope.aliases[item.alias.casefold()] = made[0][1]
    traced = Traced(_numbered(columns))
    for key in ("where", "having"):
        if query.args.get(key) is not None:
            rows |= indirect(value(query.args[key].this, scope), "FILTER")
    rows |= _group(query, traced, scope)
    if query.args.get("qualify") is not None:
        rows |= indirect(value(query.args["qualify"].this, scope), "FILTER")
    rows |= _order(query.args.get("order"), traced, scope)
    return Traced(traced.columns, rows)


def _numbered(columns: list[tuple[str, Edges]]) -> dict[str, Edges]:
    """Positions count, names may repeat: DuckDB's name for the second one comes with the schema."""
    found: dict[str, Edges] = {}
    for name, edges in columns:
        found[name if name not in found else f"{name}:{len(found)}"] = edges
    return found


def _group(query: Any, made: Traced, scope: Scope) -> Edges:
    found = NONE
    distinct, group = query.args.get("distinct"), query.args.get("group")
    if distinct is not None:
        on = distinct.args.get("on")
        terms = on.expressions if isinstance(on, exp.Tuple) else [on] if on is not None else []
        found |= union(_term(t, made, scope) for t in terms) if terms else made.everything()
    if group is not None:
        if group.args.get("all"):
            plain = [e for e in query.expressions if not aggregates(e)]
            found |= union(value(e.unalias(), scope) for e in plain if not e.is_star)
        found |= union(_term(t, made, scope) for t in group.expressions)
        for key in ("cube", "rollup", "grouping_sets"):
            for part in group.args.get(key) or ():
                found |= union(value(e, scope) for e in part.expressions)
    return indirect(found, "GROUP_BY")


# --- FROM and JOIN ----------------------------------------------------------------------------------


def _sources(query: Any, scope: Scope) -> Edges:
    rows = NONE
    from_ = query.args.get("from_")
    if from_ is not None:
        rows |= _add(from_.this, scope)
    for join in query.args.get("joins") or ():
        rows |= _join(join, scope)
    for lateral in query.args.get("laterals") or ():
        rows |= _add(lateral, scope)
    return rows


def _join(join: Any, scope: Scope) -> Edges:
    before = dict(scope.sources)
    rows = _add(join.this, scope)
    added = [name for name in scope.sources if name not in before]
    condition = NONE
    shared = [c.name for c in join.args.get("using") or ()]
    if str(join.args.get("method") or "").upper() == "NATURAL":
        theirs = {c.casefold() for name in added for c in scope.sources[name].columns}
        shared = [c for s in before.values() for c in s.columns if c.casefold() in theirs]
    for name in shared:
        sides = [s.get(name) for s in scope.sources.values()]
        condition |= union(edges for edges in sides if edges is not None)
        scope.merged.add(name.casefold())
    if join.args.get("on") is not None:
        condition |= value(join.args["on"], scope)
    if str(join.args.get("kind") or join.args.get("side") or "").upper() in ("SEMI", "ANTI"):
        scope.hidden.update(added)
    return rows | indirect(condition, "JOIN")


def _add(item: Any, scope: Scope) -> Edges:
    """Put what stands in FROM into ``scope``; the edges that already decide about its rows."""
    rows = NONE
    for join in item.args.get("joins") or ():  # a nested join in parentheses
        rows |= _join(join, scope)
    traced = _item(item, scope)
    name = item.alias_or_name.casefold() or f"?{len(scope.sources)}"
    scope.sources = {**scope.sources, name: traced}
    return rows | traced.rows


def _item(item: Any, scope: Scope) -> Traced:
    if isinstance(item, exp.Table):
        found = scope.env.get(".".join(p.name for p in item.parts).casefold())
        if found is None:
            raise Unknown
        return _renamed(found, item)
    if isinstance(item, exp.Unnest):
        return _unnest(item, scope)
    if isinstance(item, exp.Lateral):
        return _renamed(_query(item.this, scope.env, scope), item)
    if isinstance(item, exp.Subquery):
        return _renamed(_query(item, scope.env, scope), item)
    if isinstance(item, exp.Values):
        return _values(item, scope)
    raise Unknown


def _values(item: Any, scope: Scope) -> Traced:
    width = len(item.expressions[0].expressions) if item.expressions else 0
    columns = {
        f"col{i}": union(
            through(value(row.expressions[i], scope), "TRANSFORMATION") for row in item.expressions
        )
        for i in range(width)
    }
    return _renamed(Traced(columns), item)


def _unnest(item: Any, scope: Scope) -> Traced:
    columns = {}
    for i, expression in enumerate(item.expressions):
        columns["unnest" if i == 0 else f"unnest:{i}"] = through(value(expression, scope), "TRANSFORMATION")
    rows = indirect(union(columns.values()), "JOIN")
    traced = _renamed(Traced(columns), item)
    offset = item.args.get("offset")
    if isinstance(offset, exp.Identifier):
        return Traced({**traced.columns, offset.name: NONE}, rows)
    return Traced({**traced.columns, "ordinality": NONE} if offset else traced.columns, rows)


# --- projections ------------------------------------------------------------------------------------


def _projection(item: Any, scope: Scope) -> list[tuple[str, Edges]]:
    if isinstance(item, exp.Star):
        return _star(item, scope, None)
    if isinstance(item, exp.Column) and isinstance(item.this, exp.Star):
        return _star(item.this, scope, item.table.casefold())
    if item.find(exp.Columns) or _spreads(item):
        raise Unknown
    inner = item.unalias()
    edges = _masked(item, scope) if "masks" in item.meta else value(inner, scope)
    return [(item.alias_or_name, edges)]


def _masked(item: Any, scope: Scope) -> Edges:
    """A column of the mask step: whatever the method, the value came from there and can't be read."""
    column = exp.column(item.meta["masks"])
    return through(resolve(column, scope), "TRANSFORMATION", masking=True)


def _spreads(item: Any) -> bool:
    """``unnest(struct, recursive := true)`` and ``* LIKE`` make an unknown number of columns."""
    return any(isinstance(n, exp.Star) and not isinstance(n.parent, exp.Count) for n in item.walk()) or any(
        isinstance(n, exp.PropertyEQ) and n.name.lower() in ("recursive", "max_depth") for n in item.walk()
    )


def _star(star: Any, scope: Scope, only: str | None) -> list[tuple[str, Edges]]:
    gone = {c.name.casefold() for c in star.args.get("except_") or ()}
    replaced = {a.alias.casefold(): a.this for a in star.args.get("replace") or ()}
    renamed = {a.this.name.casefold(): a.alias for a in star.args.get("rename") or ()}
    found: list[tuple[str, Edges]] = []
    seen: set[str] = set()
    for source, traced in scope.sources.items():
        if source in scope.hidden or (only is not None and source != only):
            continue
        for name, edges in traced.columns.items():
            key = name.casefold()
            if key in gone or (only is None and key in scope.merged and key in seen):
                continue
            seen.add(key)
            flow = value(replaced[key], scope) if key in replaced else edges
            if only is None and key in scope.merged and key not in replaced:
                flow = resolve(exp.column(name), scope)
            found.append((renamed.get(key, name), flow))
    if not found:
        raise Unknown
    return found
