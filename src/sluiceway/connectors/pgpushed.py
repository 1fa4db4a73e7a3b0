"""PostgreSQL as a warehouse that the engine works in: what was staged there is published there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sluiceway.connectors import ledger
from sluiceway.connectors.dbsink import carried_out, is_here
from sluiceway.connectors.jdbcsink import ExecutorSink
from sluiceway.connectors.loading import load
from sluiceway.connectors.pgplace import PgPlace
from sluiceway.duck import ident, relation
from sluiceway.exchange import PublishOrder, Staged
from sluiceway.schema import Schema, TableName

if TYPE_CHECKING:
    import duckdb

    from sluiceway.connectors.database import Session
    from sluiceway.connectors.pgclient import PgServer
    from sluiceway.connectors.pgtypes import PgColumn
    from sluiceway.engines.base import Engine

__all__ = ["PushedDown", "server_columns"]


def server_columns(columns: list[PgColumn], types: dict[str, str] | None = None) -> str:
    """The columns as the server itself gives them in the type that the plan knows.

    Args:
        types: by column, those that the plan has instead of the column's own.
    """
    from sluiceway.connectors.pgtypes import pg_type

    listed = []
    for column in columns:
        name = ident(column.name)
        wanted = (types or {}).get(column.name)
        value = column.server or name
        if wanted is not None or column.cast:
            value = f"CAST({value} AS {pg_type(wanted or column.type) or 'text'})"
        listed.append(value if value == name else f"{value} AS {name}")
    return ", ".join(listed)


class PushedDown(ExecutorSink):
    """The part of the sink that serves ``engine: warehouse``; all else is as with any engine."""

    server: PgServer
    _inside: bool = False
    _unmade: bool = False
    """The target is not there yet: rows and table will come by one CREATE TABLE AS, which PostgreSQL
    runs in parallel. It does not do so for an INSERT."""

    def open(self, engine: Engine | None) -> None:
        if engine is None or engine.name != "warehouse":
            super().open(engine)
            return
        self._inside = True
        super().open(engine.local)
        place = PgPlace(self.server, self._folder, lambda: (self._duckdb(), self.alias))
        engine.enter(place)  # type: ignore[attr-defined]  # the engine of that name has it

    def _pg_columns(self, session: Session, table: TableName) -> list[PgColumn]:
        raise NotImplementedError

    def _prepare_table(self, session: Session, schema: Schema, order: PublishOrder) -> None:
        plain = self._inside and order.mode in ("append", "replace")
        self._unmade = plain and self._describe(session, order.table) is None
        if self._unmade:
            self._create_namespace(session, order.table.namespace)
        else:
            super()._prepare_table(session, schema, order)

    def scan(self, table: TableName) -> str:
        if not self._inside:
            return super().scan(table)
        columns = self._asked(str(table), lambda session: self._pg_columns(session, table))
        return f"SELECT {server_columns(columns)} FROM {relation(*self._parts(table))}"

    def _load(
        self, session: Session, con: duckdb.DuckDBPyConnection, staged: Staged, order: PublishOrder, good: str
    ) -> int:
        if not is_here(staged):
            if self._unmade:
                super()._prepare_table(session, staged.schema, order)
            return super()._load(session, con, staged, order, good)
        if self._unmade:
            spelled = {c.name: self._type(c.type, key=False) for c in staged.schema}
            there = {name.casefold(): (name, type_) for name, type_ in spelled.items()}
        else:
            found = self._describe(session, order.table) or ()
            there = {c.name.casefold(): (c.name, c.spelled) for c in found}
        columns = [there[name.casefold()] for name in staged.schema.names]
        listed = ", ".join(
            f"CAST({ident(given)} AS {type_}) AS {ident(name)}"
            for (name, type_), given in zip(columns, staged.schema.names, strict=True)
        )
        select = f"SELECT {listed} FROM ({good}) AS _good"
        parts, rows = self._parts(order.table), f"({select})"
        if self._unmade:
            made = f"CREATE TABLE {self.dialect.relation(*parts)} AS {select}"
            self._counted(self._changed(session, made), staged, order)
            return 0
        plan = load(self.dialect, parts, rows, [name for name, _ in columns], order)
        if order.mode in ("append", "replace"):
            for sql in plan.statements[:-1]:
                session.execute(sql)
            self._counted(self._changed(session, plan.statements[-1]), staged, order)
            return 0
        self._counted(int(session.rows(f"SELECT count(*) FROM {rows} AS _rows")[0][0]), staged, order)
        return carried_out(plan, session, order)

    def _quarantine(
        self, session: Session, con: duckdb.DuckDBPyConnection, staged: Staged, order: PublishOrder, bad: str
    ) -> None:
        if not is_here(staged):
            super()._quarantine(session, con, staged, order, bad)
            return
        session.execute(ledger.write_quarantine(self.dialect, self._place, bad))
