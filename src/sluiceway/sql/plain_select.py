"""DuckDB's conveniences in a SELECT, said in words that every engine has.

What comes out is still DuckDB's SQL and means the same there: stars listed where an engine lists them in
another order, aliases that stand for expressions, GROUP BY ALL, DISTINCT ON, QUALIFY, UNION BY NAME. So
each of these can be tried on DuckDB itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlglot import exp

from sluiceway.errors import PlanError, Where
from sluiceway.schema import Schema
from sluiceway.sql.scopes import columns_of, is_aggregate_call, outer_names

__all__ = ["plain_select"]


def plain_select(tree: Any, schemas: Mapping[str, Schema], where: Where | None) -> Any:
    """``tree`` with every SELECT in it made plain, in place; the tree that takes its place.

    Raises:
        PlanError: what has no plain form, with a form that has.
    """
    for select in list(tree.find_all(exp.Select)):
        if isinstance(select, exp.Select):
            _Plain(select, schemas, where).rewrite()
    for union in list(tree.find_all(exp.SetOperation)):
        if union.args.get("by_name"):
            _by_position(union, schemas, where)
    for select in list(tree.find_all(exp.Select)):
        made = _without_qualify(select, schemas, where)
        if made is not select:
            if select is tree:
                tree = made
            else:
                select.replace(made)
    return tree


class _Plain:
    def __init__(self, select: exp.Select, schemas: Mapping[str, Schema], where: Where | None) -> None:
        self.select, self.schemas, self.where = select, schemas, where

    def rewrite(self) -> None:
        self._name_projections()
        if any(_special_star(e) for e in self.select.expressions) or self._star_of_using():
            self._expand_stars()
        self._spell_aliases()
        self._group_by_all()
        self._order_by_all()
        self._distinct_on()

    def _name_projections(self) -> None:
        """DuckDB's own name for what has none: engines make up others."""
        if all(isinstance(e, exp.Alias | exp.Column | exp.Star) for e in self.select.expressions):
            return
        if self.select.parent is not None and not self._names_matter():
            return
        if any(_is_star(e) for e in self.select.expressions):
            return
        names = columns_of(self.select, self.schemas)
        named = []
        for node, name in zip(self.select.expressions, names, strict=True):
            plain = isinstance(node, exp.Alias | exp.Column | exp.Dot)
            named.append(node if plain else exp.alias_(node, name, quoted=True))
        self.select.set("expressions", named)

    def _names_matter(self) -> bool:
        parent = self.select.parent
        return isinstance(parent, exp.CTE | exp.SetOperation) or (
            isinstance(parent, exp.Subquery) and isinstance(parent.parent, exp.From | exp.Join)
        )

    def _star_of_using(self) -> bool:
        """Engines order a star's columns in two ways where a join has USING."""
        using = any(join.args.get("using") for join in self.select.args.get("joins") or [])
        return using and any(_is_star(e) for e in self.select.expressions)

    def _expand_stars(self) -> None:
        joins = self.select.args.get("joins") or []
        if any(join.args.get("using") and join.side in ("FULL", "RIGHT") for join in joins):
            raise PlanError(
                "a star over a FULL or RIGHT JOIN … USING can't be listed",
                where=self.where,
                hint="list the columns in the SELECT",
            )
        out: list[Any] = []
        for node in self.select.expressions:
            if not _is_star(node):
                out.append(node)
                continue
            star, table = _star(node)
            if star.args.get("rename") or star.args.get("rename_"):
                raise PlanError("* RENAME can't be listed", where=self.where, hint="use the rename step")
            probe = self.select.copy()
            probe.set(
                "expressions", [exp.Star() if table is None else exp.Column(this=exp.Star(), table=table)]
            )
            names = columns_of(_standing_for(probe, self.select), self.schemas)
            out += self._listed(names, star, table)
        self.select.set("expressions", out)

    def _listed(self, names: list[str], star: exp.Star, table: Any) -> list[Any]:
        gone = {_name(e).casefold() for e in star.args.get("except_") or star.args.get("except") or []}
        instead = {e.alias.casefold(): e.this for e in star.args.get("replace") or []}
        owner = self._owners()
        listed: list[Any] = []
        for name in names:
            key = name.casefold()
            if key in gone:
                continue
            if key in instead:
                listed.append(exp.alias_(instead[key].copy(), name, quoted=True))
                continue
            of = table.copy() if table is not None else owner.get(key)
            listed.append(exp.column(exp.to_identifier(name, quoted=True), table=of))
        return listed

    def _owners(self) -> dict[str, Any]:
        """The first relation that has a column, so that a name of both sides of USING is not ambiguous."""
        tables = _relations(self.select)
        if len(tables) == 1:
            return {}
        owners: dict[str, Any] = {}
        for table in tables:
            alias = exp.to_identifier(table, quoted=True)
            probe = self.select.copy()
            probe.set("expressions", [exp.Column(this=exp.Star(), table=alias)])
            for name in columns_of(_standing_for(probe, self.select), self.schemas):
                owners.setdefault(name.casefold(), alias)
        return owners

    def _spell_aliases(self) -> None:
        """A projection's alias elsewhere in the SELECT becomes its expression; a column goes first."""
        aliased = {e.alias.casefold(): e.this for e in self.select.expressions if isinstance(e, exp.Alias)}
        if not aliased:
            return
        columns: set[str] | None = None
        having, group = self.select.args.get("having"), self.select.args.get("group")
        keys = {e.name.casefold() for e in group.expressions} if group is not None else set()
        places = [*self.select.expressions, *(self.select.args.get(k) for k in ("where", "qualify"))]
        places += [*(group.expressions if group is not None else []), having]
        for place in (place for place in places if place is not None):
            for column in list(place.find_all(exp.Column)):
                key = column.name.casefold()
                if column.table or key not in aliased or column.parent_select is not self.select:
                    continue
                if columns is None:
                    columns = {n.casefold() for n in outer_names(self.select, self.schemas)}
                # behind HAVING an ungrouped column could not stand
                known = keys & columns if place is having else columns
                meant = aliased[key]
                if key in known or meant is column or _within(column, meant):
                    continue
                made = (
                    exp.paren(meant.copy())
                    if not isinstance(meant, exp.Column | exp.Literal)
                    else meant.copy()
                )
                if column is place and place.parent is not None:
                    place.replace(made)
                else:
                    column.replace(made)

    def _group_by_all(self) -> None:
        group = self.select.args.get("group")
        if group is None or not group.args.get("all"):
            return
        keys = [e for e in self.select.expressions if not any(is_aggregate_call(n) for n in e.walk())]
        if any(_is_star(e) for e in keys):
            raise PlanError(
                "GROUP BY ALL over a star can't be listed", where=self.where, hint="list the columns"
            )
        plain = [e.unalias().copy() for e in keys]
        self.select.set("group", exp.Group(expressions=plain) if plain else None)

    def _order_by_all(self) -> None:
        order = self.select.args.get("order")
        if order is None:
            return
        terms = []
        for term in order.expressions:
            if str(term.this.sql()).upper() == "ALL":
                for i in range(len(columns_of(self.select, self.schemas))):
                    one = term.copy()
                    one.set("this", exp.Literal.number(i + 1))
                    terms.append(one)
            else:
                terms.append(term)
        order.set("expressions", terms)

    def _distinct_on(self) -> None:
        distinct = self.select.args.get("distinct")
        on = distinct.args.get("on") if distinct is not None else None
        if on is None:
            return
        order = self.select.args.get("order")
        if order is None:
            raise PlanError(
                "DISTINCT ON without ORDER BY keeps any row, another on every engine",
                where=self.where,
                hint="add ORDER BY, or use the deduplicate step",
            )
        keys = on.expressions if isinstance(on, exp.Tuple) else [on]
        first = exp.Window(
            this=exp.RowNumber(), partition_by=[k.copy() for k in keys], order=_spelled(order, self.select)
        )
        one = exp.EQ(this=first, expression=exp.Literal.number(1))
        qualify = self.select.args.get("qualify")
        self.select.set("distinct", None)
        self.select.set("qualify", exp.Qualify(this=exp.and_(qualify.this, one) if qualify else one))


def _spelled(order: exp.Order, select: exp.Select) -> exp.Order:
    """ORDER BY for a window: positions and aliases become what they stand for."""
    made = order.copy()
    aliased = {e.alias.casefold(): e.this for e in select.expressions if isinstance(e, exp.Alias)}
    for term in made.expressions:
        if isinstance(term.this, exp.Literal) and not term.this.is_string:
            term.set("this", select.expressions[int(term.this.name) - 1].unalias().copy())
        elif isinstance(term.this, exp.Column) and not term.this.table:
            meant = aliased.get(term.this.name.casefold())
            if meant is not None:
                term.set("this", meant.copy())
    return made


def _without_qualify(select: exp.Select, schemas: Mapping[str, Schema], where: Where | None) -> exp.Select:
    """QUALIFY as a WHERE around the SELECT, whose columns are listed so that the helpers stay inside."""
    qualify = select.args.get("qualify")
    if qualify is None:
        return select
    names = columns_of(select, schemas)
    inner = select.copy()
    inner.set("qualify", None)
    outer = exp.select(*[exp.column(exp.to_identifier(n, quoted=True)) for n in names], copy=False)
    if any(_is_star(e) for e in inner.expressions):
        listed = _Plain(inner, schemas, where)
        inner.parent, inner.arg_key = select.parent, select.arg_key
        listed._expand_stars()  # noqa: SLF001  # one class in two steps
    condition = qualify.this.copy()
    holder = exp.paren(condition)
    for i, window in enumerate(list(holder.find_all(exp.Window))):
        alias = f"_qualify_{i}"
        inner.append("expressions", exp.alias_(window.copy(), alias))
        window.replace(exp.column(alias))
    for i, column in enumerate(
        [c for c in holder.find_all(exp.Column) if not c.name.startswith("_qualify_")]
    ):
        alias = f"_qualified_{i}"
        inner.append("expressions", exp.alias_(column.copy(), alias))
        column.replace(exp.column(alias))
    for key in ("order", "limit", "offset", "distinct", "with_"):
        part = inner.args.get(key)
        if part is not None:
            inner.set(key, None)
            outer.set(key, part)
    _reorder(outer, inner)
    outer = outer.from_(exp.Subquery(this=inner, alias=exp.TableAlias(this=exp.to_identifier("_qualified"))))
    return outer.where(holder.this)


def _reorder(outer: exp.Select, inner: exp.Select) -> None:
    """ORDER BY terms that name what the SELECT does not give become helpers of the inner one."""
    order = outer.args.get("order")
    given = {e.alias_or_name.casefold() for e in inner.expressions}
    for i, term in enumerate(order.expressions if order is not None else []):
        plain = isinstance(term.this, exp.Literal) or (
            isinstance(term.this, exp.Column) and not term.this.table and term.this.name.casefold() in given
        )
        if not plain:
            alias = f"_ordered_{i}"
            inner.append("expressions", exp.alias_(term.this.copy(), alias))
            term.set("this", exp.column(alias))


def _by_position(union: exp.SetOperation, schemas: Mapping[str, Schema], where: Where | None) -> None:
    """UNION BY NAME: each side gives all columns in one order, NULL where it has none."""
    sides = [union.this, union.expression]
    if not all(isinstance(side, exp.Select) for side in sides):
        raise PlanError(
            "UNION BY NAME of more than two SELECTs can't be listed", where=where, hint="list the columns"
        )
    names = [columns_of(side, schemas) for side in sides]
    every = list({n.casefold(): n for side in names for n in side}.items())
    for key, side, there in zip(("this", "expression"), sides, names, strict=True):
        have = {n.casefold() for n in there}
        columns = [
            exp.column(exp.to_identifier(name, quoted=True)) if folded in have
            else exp.alias_(exp.null(), name, quoted=True)
            for folded, name in every
        ]  # fmt: skip
        inner = exp.Subquery(this=side.copy(), alias=exp.TableAlias(this=exp.to_identifier("_side")))
        union.set(key, exp.select(*columns, copy=False).from_(inner))
    union.set("by_name", False)


def _standing_for(probe: exp.Select, select: exp.Select) -> exp.Select:
    """``probe`` sees what ``select`` sees from where it stands."""
    probe.parent, probe.arg_key = select.parent, select.arg_key
    for key in ("group", "having", "qualify", "order", "distinct"):
        probe.set(key, None)
    return probe


def _relations(select: exp.Select) -> list[str]:
    found = [select.args["from_"].this] if select.args.get("from_") else []
    joins = select.args.get("joins") or []
    found += [j.this for j in joins if (j.kind or "").upper() not in ("SEMI", "ANTI")]
    return [str(f.alias_or_name) for f in found]


def _is_star(node: Any) -> bool:
    return isinstance(node, exp.Star) or (isinstance(node, exp.Column) and isinstance(node.this, exp.Star))


def _star(node: Any) -> tuple[exp.Star, Any]:
    if isinstance(node, exp.Star):
        return node, None
    return node.this, node.args.get("table")


def _special_star(node: Any) -> bool:
    return _is_star(node) and any(
        _star(node)[0].args.get(k) for k in ("except_", "except", "replace", "rename")
    )


def _name(node: Any) -> str:
    return str(node.name)


def _within(node: Any, ancestor: Any) -> bool:
    while node is not None:
        if node is ancestor:
            return True
        node = node.parent
    return False
