"""A PostgreSQL database as a place to work in, for the pushed-down engine.

Working tables are unlogged and lie in a schema of their own, named by the run. An advisory lock of the
session says that they are in use; what a killed run left is dropped by the next one that comes.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from sluiceway.connectors.pgclient import MAX_NAME, PgServer, pg_errors
from sluiceway.connectors.pgtypes import (
    PgColumn,
    carried,
    describe_sql,
    encode,
    pg_column,
    pg_type,
    unsupported,
)
from sluiceway.connectors.pipe import copy_pipe
from sluiceway.duck import ident, literal, relation
from sluiceway.errors import DestinationError, PlanError
from sluiceway.schema import Column, Schema
from sluiceway.sql.sessions import POSTGRES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import duckdb
    import psycopg

    from sluiceway.engines.base import Engine, Stage

__all__ = ["WORK_SCHEMA", "PgPlace"]

WORK_SCHEMA = "_sluiceway_work"
_ID = 12
"""Letters of a run's working tables that tell whose they are."""


class PgPlace:
    """See ``sluiceway.engines.warehouse.Workplace``."""

    dialect = "postgres"
    cte_hints = True

    def __init__(
        self,
        server: PgServer,
        folder: Path,
        attached: Callable[[], tuple[duckdb.DuckDBPyConnection, str]],
    ) -> None:
        self.server = server
        self._folder, self._attached = folder, attached
        self._id = uuid.uuid4().hex[:_ID]
        self._tables: dict[str, str] = {}
        with self._errors("the working tables"):
            self._con: psycopg.Connection[Any] = server.connect("sluiceway: engine")
            for statement in (*POSTGRES, f"SET search_path = {literal('')}"):
                self._con.execute(statement.encode())
            self._con.execute(f"SELECT pg_advisory_lock({_key(self._id)})".encode())
            there = self._con.execute(
                f"SELECT 1 FROM pg_namespace WHERE nspname = {literal(WORK_SCHEMA)}".encode()
            ).fetchall()
            if not there:
                self._con.execute(f"CREATE SCHEMA IF NOT EXISTS {ident(WORK_SCHEMA)}".encode())
            self._clear_left_over()

    def _errors(self, what: str) -> AbstractContextManager[None]:
        return pg_errors(self.server, DestinationError, what=what, tables=False)

    def _clear_left_over(self) -> None:
        """Tables of sessions that are gone: whoever can lock their name is the only one to know them."""
        rows = self._con.execute(
            f"SELECT relname FROM pg_class WHERE relnamespace = {literal(ident(WORK_SCHEMA))}::regnamespace "
            "AND relkind = 'r'".encode()
        ).fetchall()
        for owner in {name[:_ID] for (name,) in rows} - {self._id}:
            free = self._con.execute(f"SELECT pg_try_advisory_lock({_key(owner)})".encode()).fetchall()
            if free[0][0]:
                for name in (name for (name,) in rows if name.startswith(owner)):
                    self._con.execute(f"DROP TABLE IF EXISTS {relation(WORK_SCHEMA, name)}".encode())
                self._con.execute(f"SELECT pg_advisory_unlock({_key(owner)})".encode())

    # statements -------------------------------------------------------------------------------------

    def run(self, sql: str, parameters: Mapping[str, Any] | None = None) -> None:
        with self._errors("the engine"):
            self._execute(sql, parameters)

    def ask(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        with self._errors("the engine"):
            return self._execute(sql, parameters).fetchall()

    def _execute(self, sql: str, parameters: Mapping[str, Any] | None) -> psycopg.Cursor[Any]:
        """Values are bound by the client: CREATE TABLE AS takes none on the server."""
        from psycopg import ClientCursor

        used = {name: value for name, value in (parameters or {}).items() if f"%({name})s" in sql}
        if not used:
            return self._con.execute(sql.encode())
        marks = "|".join(re.escape(f"%({name})s") for name in used)
        parts = re.split(f"({marks})", sql)
        text = "".join(part if i % 2 else part.replace("%", "%%") for i, part in enumerate(parts))
        return ClientCursor(self._con).execute(text.encode(), used)

    def names(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[str]:
        with self._errors("the engine"):
            cursor = self._execute(f"SELECT * FROM ({sql}) AS _shape LIMIT 0", parameters)
            return [column.name for column in cursor.description or ()]

    # tables -----------------------------------------------------------------------------------------

    def spelled(self, schema: Schema) -> dict[str, str]:
        refused = unsupported(schema)
        if refused:
            column, hint = next(iter(refused.items()))
            raise PlanError(f"PostgreSQL can't keep '{column}' ({schema[column].type})", hint=hint)
        return {c.name: pg_type(c.type) or "text" for c in schema}

    def make(
        self, name: str, select: str, parameters: Mapping[str, Any] | None, schema: Schema | None = None
    ) -> str:
        table = self._table(name)
        with self._errors(f"the working table of {name}"):
            self._con.execute(f"DROP TABLE IF EXISTS {table}".encode())
            self._execute(f"CREATE UNLOGGED TABLE {table} AS {select}", parameters)
            self._con.execute(f"ANALYZE {table}".encode())
        return table

    def fill(self, name: str, engine: Engine, stage: Stage) -> str:
        table, spelled = self._table(name), self.spelled(stage.schema)
        listed = ", ".join(f"{ident(n)} {t}" for n, t in spelled.items())
        with self._errors(f"the working table of {name}"):
            self._con.execute(f"DROP TABLE IF EXISTS {table}".encode())
            self._con.execute(f"CREATE UNLOGGED TABLE {table} ({listed})".encode())
            columns = self._columns(table)
            indirect = [c for c in columns if not c.binary]
            self._retype(table, {c.name: carried(c) for c in indirect})  # of no rows yet
            values = ", ".join(f"{encode(c, ident(c.name))} AS {ident(c.name)}" for c in columns)
            names = ", ".join(map(ident, spelled))
            statement = f"COPY {table} ({names}) FROM STDIN (FORMAT binary)"
            sql = f"SELECT {values} FROM {stage.relation} AS _filled"
            with (
                copy_pipe(engine.connection, sql, self._folder, "FORMAT postgres_binary") as pipe,
                self._con.cursor() as cursor,
            ):
                with cursor.copy(statement.encode()) as copy:
                    for chunk in pipe.chunks():
                        copy.write(chunk)
                taken = cursor.rowcount
            self._retype(table, {c.name: c.spelled for c in indirect})
            self._con.execute(f"ANALYZE {table}".encode())
        if taken != stage.rows:
            raise DestinationError(f"{name}: of {stage.rows} rows PostgreSQL took {taken}")
        return table

    def blank(self, name: str, columns: Sequence[tuple[str, str]]) -> str:
        """An empty table for others to write into; its quoted name."""
        table = self._table(name)
        listed = ", ".join(f"{ident(n)} {t}" for n, t in columns)
        self.run(f"DROP TABLE IF EXISTS {table}")
        self.run(f"CREATE UNLOGGED TABLE {table} ({listed})")
        return table

    def sealed(self, name: str, timeout: float) -> str:
        """Give the table another name, once nobody writes to it any more: a statement that comes later finds
        no table. DestinationError after ``timeout`` seconds."""
        table, sealed = self._table(name), self._table(f"{name}_sealed")
        self.run(f"SET lock_timeout = {max(1, round(timeout * 1000))}")
        self.run(f"ALTER TABLE {table} RENAME TO {ident(f'{self._id}_{name}_sealed')}")
        self.run("SET lock_timeout = 0")
        del self._tables[name]
        return sealed

    def distinct(self, name: str) -> str:
        """The rows of a sealed table, each once."""
        return self.make(f"{name}_once", f"SELECT DISTINCT * FROM {self._table(f'{name}_sealed')}", None)

    def _retype(self, table: str, types: Mapping[str, str]) -> None:
        if types:
            listed = ", ".join(
                f"ALTER COLUMN {ident(n)} TYPE {t} USING {ident(n)}::{t}" for n, t in types.items()
            )
            self._con.execute(f"ALTER TABLE {table} {listed}".encode())

    def _table(self, name: str) -> str:
        if name not in self._tables:
            self._tables[name] = relation(WORK_SCHEMA, f"{self._id}_{name}"[:MAX_NAME])
        return self._tables[name]

    def shape(self, relation: str) -> Schema:
        with self._errors("the engine"):
            return Schema(tuple(Column(c.name, c.type) for c in self._columns(relation)))

    def _columns(self, relation: str) -> list[PgColumn]:
        rows = self._con.execute(describe_sql(literal(relation)).encode()).fetchall()
        return [pg_column(row, "VARCHAR") for row in rows]

    def pull(self, sql: str) -> str:
        _, alias = self._attached()
        return f"SELECT * FROM postgres_query({literal(alias)}, {literal(sql)}) AS _pulled"

    def drop(self, name: str) -> None:
        table = self._tables.pop(name, None)
        if table is not None:
            self.run(f"DROP TABLE IF EXISTS {table}")

    def leave(self) -> None:
        try:
            if not self._con.closed:
                for name in list(self._tables):
                    self.drop(name)
        finally:
            self._con.close()


def _key(owner: str) -> str:
    return f"hashtextextended({literal('sluiceway work ' + owner)}, 0)"
