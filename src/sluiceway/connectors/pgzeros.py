"""NaN in a ``numeric``: DuckDB's scanner reads it as 0 and says nothing.

So where no 0 was read there was no NaN. Each 0 of such a column moves a sequence of the engine: only if it
has moved is the server asked for NaN, which is one more scan there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp, parse_one

from sluiceway.duck import ident, literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import duckdb

    from sluiceway.connectors.pgtypes import PgColumn

__all__ = ["ZeroWatch", "over"]


class ZeroWatch:
    """
    >>> import duckdb
    >>> con = duckdb.connect()
    >>> watch = ZeroWatch(con, "orders")
    >>> value = watch.value("x")
    >>> con.execute(f"SELECT sum({value}) FROM (VALUES (1), (2)) AS t(x)").fetchall(), watch.moved()
    ([(3,)], False)
    >>> con.execute(f"SELECT sum({value}) FROM (VALUES (1), (0)) AS t(x)").fetchall(), watch.moved()
    ([(1,)], True)
    >>> watch.moved()
    False
    """

    def __init__(self, con: duckdb.DuckDBPyConnection, name: str) -> None:
        self._con = con
        self._name = f"_sluiceway_zeros_{name}"
        self._seen: int | None = None
        con.execute(f"CREATE OR REPLACE SEQUENCE {ident(self._name)}")

    def value(self, quoted: str, *, listed: bool = False) -> str:
        """The column, with each 0 noted, also in a list. The inner CASE runs for zeros alone."""
        zero = f"list_contains({quoted}, 0)" if listed else f"{quoted} = 0"
        noted = f"CASE WHEN nextval({literal(ident(self._name))}) > 0 THEN {quoted} END"
        return f"CASE WHEN {zero} THEN {noted} ELSE {quoted} END"

    def moved(self) -> bool:
        """Whether a 0 was read since this was asked last."""
        sql = f"SELECT last_value FROM duckdb_sequences() WHERE sequence_name = {literal(self._name)}"
        last = self._con.execute(sql).fetchall()[0][0]
        moved: bool = last != self._seen
        self._seen = last
        return moved


def over(filters: Iterable[str], columns: Sequence[PgColumn]) -> list[str]:
    """The filters that mean the same of the server's columns: they look at none that is cast.

    >>> from sluiceway.connectors.pgtypes import PgColumn
    >>> over(["n > 1 AND id = 2", "mood = 'ok'"], [PgColumn(n, "", "") for n in ("n", "ID")])
    ['n > 1 AND id = 2']
    """
    plain = {column.name.casefold() for column in columns if not column.cast}
    trees = {text: parse_one(text, read="duckdb") for text in filters}
    return [
        text
        for text, tree in trees.items()
        if tree.find(exp.Subquery, exp.Select) is None
        and all(column.name.casefold() in plain for column in tree.find_all(exp.Column))
    ]
