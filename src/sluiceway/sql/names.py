"""Names of relations and variables in a tree: what it reads, and binding them to what there is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlglot import exp

from sluiceway.errors import PlanError, Where, did_you_mean

__all__ = ["bind_tables", "cte_of", "quoted", "tables_of", "variables_of"]


def quoted(name: str, dialect: str) -> str:
    """An identifier as ``dialect`` quotes it.

    >>> quoted("order", "duckdb"), quoted("order", "spark")
    ('"order"', '`order`')
    """
    return exp.to_identifier(name, quoted=True).sql(dialect)


def tables_of(tree: exp.Expr) -> tuple[str, ...]:
    """Names of the relations that ``tree`` reads, in order, each once; its own CTEs are not among them.

    >>> import sqlglot
    >>> tables_of(sqlglot.parse_one("WITH c AS (SELECT * FROM a) SELECT * FROM c JOIN mart.b USING (id)"))
    ('a', 'mart.b')
    """
    return tuple(dict.fromkeys(_dotted(t) for t in _tables(tree) if cte_of(t) is None))


def variables_of(tree: exp.Expr) -> tuple[str, ...]:
    """Names of the ``:vars`` in ``tree``, in order, each once."""
    return tuple(dict.fromkeys(node.name for node in tree.find_all(exp.Placeholder)))


def bind_tables(tree: exp.Expr, known: Iterable[str], where: Where, *, current: str | None = None) -> Any:
    """A copy of ``tree`` in which every table is one of ``known``, quoted, and ``_`` is ``current``.

    The name that the user wrote stays as an alias, so that ``orders.id`` and ``_.id`` go on working. A
    CTE that has the name of a relation gets another one: ``WITH orders AS (SELECT * FROM orders)``
    means what it means elsewhere.

    >>> import sqlglot
    >>> tree = sqlglot.parse_one("SELECT _.id FROM _", read="duckdb")
    >>> bind_tables(tree, ["_step_1"], Where(), current="_step_1").sql("duckdb")
    'SELECT _.id FROM "_step_1" AS _'

    Raises:
        PlanError: a name that is not there, with the closest one.
    """
    tree = tree.copy()
    names = {name.casefold(): name for name in known}
    tables = [(table, cte_of(table)) for table in tree.find_all(exp.Table)]
    clashes = {id(cte): cte for cte in tree.find_all(exp.CTE) if _clashes(cte, names)}
    for cte in clashes.values():
        cte.args["alias"].set("this", exp.to_identifier(f"_cte_{cte.alias}", quoted=True))
    for table, found in tables:
        if found is None:
            _bind(table, names, where, current)
        elif id(found) in clashes:
            _point(table, found.alias)
    for column in tree.find_all(exp.Column):
        if column.args.get("db") is not None and column.args.get("catalog") is None:
            _unqualify(column, names)
    return tree


def _clashes(cte: exp.CTE, names: dict[str, str]) -> bool:
    return cte.alias.casefold() in names or cte.alias.startswith("_")


def _bind(table: exp.Table, names: dict[str, str], where: Where, current: str | None) -> None:
    dotted = _dotted(table)
    name = current if dotted == "_" and current is not None else names.get(dotted.casefold())
    if name is None:
        shown = [n for n in names.values() if not n.startswith("_step_")]
        raise PlanError(
            f"there is no source, step or dataset '{dotted}'",
            where=where,
            hint=did_you_mean(dotted, ["_", *shown] if current else shown),
        )
    _point(table, name)


def _point(table: exp.Table, name: str) -> None:
    """Let ``table`` read ``name`` and go on being called what the user called it."""
    if not table.alias:
        written = table.this.copy()
        old = table.args.get("alias")
        columns = old.args.get("columns") if old is not None else None
        table.set("alias", exp.TableAlias(this=written, columns=columns))
    table.set("this", exp.to_identifier(name, quoted=True))
    table.set("db", None)


def _unqualify(column: exp.Column, names: dict[str, str]) -> None:
    """``mart.orders.id`` -> ``orders.id``, for the alias that ``_point`` gave."""
    if f"{column.args['db'].name}.{column.table}".casefold() in names:
        column.set("db", None)


def cte_of(table: exp.Table) -> exp.CTE | None:
    """The CTE that ``table`` names where it stands. Only a recursive CTE sees itself."""
    if table.args.get("db"):
        return None
    wanted = table.name.casefold()
    child: Any = table
    while child.parent is not None:
        parent: Any = child.parent
        for cte in reversed(_visible(parent, child)):
            if cte.alias.casefold() == wanted:
                found: exp.CTE = cte
                return found
        child = parent
    return None


def _visible(parent: Any, child: Any) -> list[Any]:
    if isinstance(parent, exp.With):
        ctes: list[Any] = parent.expressions
        at = next(i for i, cte in enumerate(ctes) if cte is child)
        return ctes if parent.recursive else ctes[:at]
    with_ = parent.args.get("with_") if isinstance(parent, exp.Query) else None
    return with_.expressions if with_ is not None and with_ is not child else []


def _dotted(table: exp.Table) -> str:
    return ".".join(part.name for part in table.parts)


def _tables(tree: exp.Expr) -> list[exp.Table]:
    """In the order of the text, which has CTEs first."""
    found: list[exp.Table] = list(tree.find_all(exp.Table, bfs=False))
    return sorted(found, key=lambda t: t.find_ancestor(exp.With) is None)
