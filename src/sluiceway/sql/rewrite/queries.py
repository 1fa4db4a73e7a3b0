"""SELECTs and what they are made of: joins, sides of a UNION, sets of rows out of lists, names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlglot import exp

from sluiceway.sql.emit.spark import GENERATED
from sluiceway.sql.rewrite.operators import as_boolean
from sluiceway.sql.scopes import TYPE

if TYPE_CHECKING:
    from sluiceway.sql.rewrite.context import Context

__all__ = ["align_sides", "finish_select", "in_as_value", "sides_of", "unordered"]


def finish_select(ctx: Context, select: exp.Select) -> None:
    """What is left to do once the expressions of ``select`` are written, in place."""
    _conditions(ctx, select)
    _order(ctx, select)
    if ctx.dialect in ("postgres", "snowflake"):
        _exists(select)
    if ctx.dialect == "spark":
        _not_both(ctx, select)
        _one_generator(ctx, select)


def unordered(ctx: Context, window: exp.Window) -> None:
    """A window function that numbers or looks at neighbours needs an order.

    Raises:
        PlanError: it has none: another row is the first on every run.
    """
    if window.args.get("order") is None and isinstance(window.this, _BY_ORDER):
        raise ctx.refuse(
            window, "without an order it gives other values on every run; it can't be made the same on",
            "add ORDER BY with a key at its end",
        )  # fmt: skip
    last = isinstance(window.this, exp.LastValue | exp.NthValue)
    if ctx.dialect == "snowflake" and last and window.args.get("spec") is None:
        # there these two look at the whole partition
        window.set("spec", exp.WindowSpec(
            kind="RANGE", start="UNBOUNDED", start_side="PRECEDING", end="CURRENT ROW"
        ))  # fmt: skip


_BY_ORDER = (
    exp.RowNumber, exp.Ntile, exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue, exp.NthValue, exp.IgnoreNulls,
)  # fmt: skip


def in_as_value(ctx: Context, node: exp.In) -> Any:
    """Spark's ``IN (SELECT …)`` outside of a condition gives FALSE where it should give NULL.

    Our rules keep NULL out on both sides: then nothing is added.
    """
    if ctx.dialect != "spark" or node.args.get("query") is None or _in_condition(node):
        return node
    parts = node.this.expressions if isinstance(node.this, exp.Tuple) else [node.this]
    query = node.args["query"].this
    if all(_given(part, node) for part in parts) and _without_nulls(query):
        return node
    if isinstance(node.this, exp.Tuple) or not isinstance(query, exp.Select):
        raise ctx.refuse(node, "IN of a query as a value is not the same on", "say it by a LEFT JOIN")
    column = exp.alias_(query.selects[0].unalias().copy(), "_in")
    inner = query.copy()
    inner.set("expressions", [column])
    rows = exp.Subquery(this=inner, alias=exp.TableAlias(this=exp.to_identifier("_rows")))
    count = exp.Subquery(this=exp.select("COUNT(*)").from_(rows.copy()))
    nulls = exp.Subquery(this=exp.select("COUNT(*)").from_(rows).where("_in IS NULL"))
    return ctx.fill(
        "CASE WHEN :i THEN TRUE WHEN :n = 0 THEN FALSE WHEN :x IS NULL OR :u > 0 THEN NULL ELSE FALSE END",
        i=node, n=count, x=node.this, u=nulls,
    )  # fmt: skip


def _in_condition(node: Any) -> bool:
    """Whether NULL counts as no where ``node`` stands, or nothing turns it round."""
    child = node
    while child.parent is not None:
        parent = child.parent
        if isinstance(parent, exp.Where | exp.Having | exp.Join) or _false_for_null(parent, child):
            return True
        plain = isinstance(parent, exp.And | exp.Or | exp.Paren) or (
            isinstance(parent, exp.Not) and child is node
        )
        if not plain:
            return False
        child = parent
    return False


def _false_for_null(parent: Any, child: Any) -> bool:
    """``coalesce(child, FALSE)``, as our rules decide NULL."""
    if not isinstance(parent, exp.Coalesce) or parent.this is not child or len(parent.expressions) != 1:
        return False
    instead = parent.expressions[0]
    return isinstance(instead, exp.Boolean) and not instead.this


def _given(part: Any, node: Any) -> bool:
    """A condition beside ``node`` says that ``part`` is not NULL."""
    wanted = part.sql("duckdb")
    above = node.parent
    while isinstance(above, exp.And | exp.Not | exp.Paren | exp.Or):
        if wanted in _never_null(above):
            return True
        above = above.parent
    return False


def _never_null(condition: Any) -> set[str]:
    """What ``NOT … IS NULL`` stands for in a condition."""
    found = (n.this for n in condition.find_all(exp.Not))
    return {
        n.this.sql("duckdb") for n in found if isinstance(n, exp.Is) and isinstance(n.expression, exp.Null)
    }


def _without_nulls(query: Any) -> bool:
    where = query.args.get("where") if isinstance(query, exp.Select) else None
    if where is None:
        return False
    kept = _never_null(where)
    return all(e.unalias().sql("duckdb") in kept for e in query.selects)


def _conditions(ctx: Context, select: exp.Select) -> None:
    for key in ("where", "having"):
        part = select.args.get(key)
        if part is not None:
            part.set("this", as_boolean(ctx, part.this))
    for join in select.args.get("joins") or []:
        if str(join.args.get("method") or "").upper() in ("ASOF", "NATURAL", "POSITIONAL"):
            raise ctx.refuse(join, f"{join.args['method']} JOIN is not the same on", "join ON a condition")
        on = join.args.get("on")
        if on is not None:
            join.set("on", as_boolean(ctx, on))


def _order(ctx: Context, select: exp.Select) -> None:
    """NULL is the last unless it is said, and text goes by its bytes."""
    for window in _own_windows(select):
        for ordered in window.find_all(exp.Ordered):
            _ordered(ctx, ordered)
    order = select.args.get("order")
    for ordered in order.expressions if order is not None else []:
        place = _projection(ordered.this, select)
        if place is None:
            _ordered(ctx, ordered)
            continue
        ordered.set("nulls_first", bool(ordered.args.get("nulls_first")))
        value = select.expressions[place].unalias()
        if ctx.dialect == "postgres" and value.meta.get(TYPE) in ("VARCHAR", "JSON"):
            # in an expression its name would be a column's
            name = select.expressions[place].alias_or_name
            collated = ctx.typed(ctx.fill(':x COLLATE "C"', x=value.copy()), "VARCHAR")
            select.expressions[place].replace(exp.alias_(collated, name, quoted=True))


def _own_windows(select: exp.Select) -> list[Any]:
    return [w for w in select.find_all(exp.Window) if w.parent_select is select]


def _ordered(ctx: Context, ordered: exp.Ordered) -> None:
    ordered.set("nulls_first", bool(ordered.args.get("nulls_first")))
    if ordered.this.meta.get(TYPE) in ("VARCHAR", "JSON") and not isinstance(ordered.this, exp.Collate):
        ordered.set("this", ctx.collated(ordered.this))


def _projection(term: Any, select: exp.Select) -> int | None:
    """The place of the projection that a term of ORDER BY names, by its number or its name."""
    if isinstance(term, exp.Literal) and not term.is_string:
        return int(term.name) - 1
    if isinstance(term, exp.Column) and not term.table:
        names = [e.alias_or_name.casefold() for e in select.expressions]
        return names.index(term.name.casefold()) if term.name.casefold() in names else None
    return None


def _exists(select: exp.Select) -> None:
    """SEMI and ANTI joins, which neither PostgreSQL nor Snowflake has, as EXISTS."""
    joins = []
    for join in select.args.get("joins") or []:
        kind = str(join.kind or "").upper()
        if kind not in ("SEMI", "ANTI"):
            joins.append(join)
            continue
        inner = exp.select(exp.Literal.number(1), copy=False).from_(join.this.copy())
        inner = inner.where(join.args["on"].copy())
        there: Any = exp.Exists(this=inner)
        select.where(there if kind == "SEMI" else exp.Not(this=there), copy=False)
    select.set("joins", joins)


def _one_generator(ctx: Context, select: exp.Select) -> None:
    """Elements of a list and their numbers out of one LATERAL VIEW."""
    exploded = [n for e in select.expressions for n in e.find_all(exp.Explode, exp.Unnest)]
    if len(exploded) > 1:
        raise ctx.refuse(
            exploded[1], "two lists are not unnested beside one another on", "flatten one after the other"
        )
    found = [n for n in select.find_all(exp.Anonymous) if n.name.startswith(GENERATED)]
    if not found:
        return
    listed, keep = found[0].expressions
    if any(n.expressions[0] != listed for n in found):
        raise ctx.refuse(
            found[1], "two lists are not unnested beside one another on", "flatten one after the other"
        )
    for node in found:
        field = node.name.removeprefix(GENERATED)
        column = exp.column(field, table="_list")
        made = column if field == "item" else ctx.fill("CAST(:x + 1 AS BIGINT)", x=column)
        node.replace(made)
    outer = isinstance(keep, exp.Boolean) and bool(keep.this)
    view = exp.Lateral(
        this=exp.Anonymous(this="posexplode", expressions=[listed.copy()]), view=True, outer=outer,
        alias=exp.TableAlias(
            this=exp.to_identifier("_list"), columns=[exp.to_identifier("number"), exp.to_identifier("item")]
        ),
    )  # fmt: skip
    select.append("laterals", view)


def _not_both(ctx: Context, select: exp.Select) -> None:
    """On Spark 200,000 rows did not end."""
    own = [n for e in select.expressions for n in e.walk()]
    distinct = [n for n in own if isinstance(n, exp.Count) and isinstance(n.this, exp.Distinct)]
    percentile = [n for n in own if isinstance(n, exp.Anonymous) and n.name.lower() == "percentile"]
    if distinct and percentile and distinct[0].parent_select is select:
        raise ctx.refuse(
            distinct[0], "a distinct count beside a quantile in one SELECT does not end on",
            "compute them in two SELECTs and join these",
        )  # fmt: skip


def sides_of(query: Any) -> list[exp.Select]:
    """The SELECTs of a UNION, from left to right."""
    if isinstance(query, exp.SetOperation):
        return [*sides_of(query.this), *sides_of(query.expression)]
    if isinstance(query, exp.Subquery):
        return sides_of(query.this)
    return [query] if isinstance(query, exp.Select) else []


def align_sides(ctx: Context, union: exp.SetOperation, types: list[str]) -> None:
    """Each side's columns as DuckDB's common type: engines look for one by other rules.

    Raises:
        PlanError: a column can't become that type here.
    """
    for side in sides_of(union):
        if len(side.expressions) != len(types) or any(isinstance(e, exp.Star) for e in side.expressions):
            continue
        aligned = []
        for node, to in zip(side.expressions, types, strict=True):
            value = node.unalias()
            known = value.meta.get(TYPE)
            if isinstance(value, exp.Null):
                known = '"NULL"'
            if known is None or known == to or to.endswith("]") or to.startswith(("STRUCT", "MAP")):
                aligned.append(node)
                continue
            cast = ctx.cast(value.copy() if known != '"NULL"' else exp.null(), to)
            aligned.append(exp.alias_(cast, node.alias_or_name, quoted=True) if node.alias_or_name else cast)
        side.set("expressions", aligned)
