"""A PostgreSQL database as a warehouse.

Rows go in by binary COPY, encoded by DuckDB, on the session that also runs the load mode's statements,
the state and the receipt: one transaction. Locks are advisory locks of that session, so they end with
the process.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sluiceway.connectors.database import Session, TargetColumn
from sluiceway.connectors.dbsink import _ROWS
from sluiceway.connectors.dialects import POSTGRES
from sluiceway.connectors.pgclient import MAX_NAME, PgServer, pg_errors
from sluiceway.connectors.pgjdbc import jdbc_target, landing
from sluiceway.connectors.pgplace import PgPlace
from sluiceway.connectors.pgpushed import PushedDown
from sluiceway.connectors.pgtypes import (
    PgColumn,
    carried,
    describe_sql,
    encode,
    pg_column,
    pg_type,
    unsupported,
)
from sluiceway.connectors.pipe import copy_pipe, of_one_thread
from sluiceway.duck import ident, literal, relation
from sluiceway.errors import DestinationError, LockTimeoutError
from sluiceway.schema import Schema, TableName

if TYPE_CHECKING:
    import duckdb
    import psycopg

    from sluiceway.connectors.base import ConnectorContext
    from sluiceway.connectors.jdbcsink import Landing, Workroom
    from sluiceway.exchange import Staged

__all__ = ["PostgresSink"]

_MANY = 500_000
"""Rows for which opening one more DuckDB, a seventh of a second, is worth it."""
_FREE_NUMERIC = "DECIMAL(38,9)"
"""What a target's ``numeric`` without precision is read as; more digits than that are an error."""


class _PgSession:
    def __init__(self, con: psycopg.Connection[Any]) -> None:
        self.con = con

    def execute(self, sql: str) -> None:
        self.con.execute(sql.encode())  # bytes: psycopg wants a literal str or a composed statement

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.con.execute(sql.encode()).fetchall()

    def begin(self) -> None:
        self.execute("BEGIN")

    def commit(self) -> None:
        self.execute("COMMIT")

    def rollback(self) -> None:
        self.execute("ROLLBACK")

    @property
    def lost(self) -> bool:
        return bool(self.con.closed)

    def close(self) -> None:
        self.con.close()


class PostgresSink(PushedDown):
    system = "PostgreSQL"
    dialect = POSTGRES
    name_bytes = MAX_NAME
    capabilities = replace(PushedDown.capabilities, rewrites=True)

    def __init__(self, config: Any, context: ConnectorContext) -> None:
        super().__init__(config, context)
        self.server = PgServer.of(config, context.where)

    def _connect(self, name: str) -> Session:
        return _PgSession(self.server.connect(name))

    def _changed(self, session: Session, sql: str) -> int:
        assert isinstance(session, _PgSession)
        return session.con.execute(sql.encode()).rowcount

    def _errors(self, what: str) -> AbstractContextManager[None]:
        return pg_errors(self.server, DestinationError, what=what, tables=False)

    def _attach(self, con: duckdb.DuckDBPyConnection) -> None:
        self.server.attach(con, self.alias)

    def _clear_cache(self, con: duckdb.DuckDBPyConnection) -> None:
        con.execute("CALL pg_clear_cache()")

    def unsupported(self, schema: Schema) -> dict[str, str]:
        return unsupported(schema)

    def _type(self, type_: str, *, key: bool) -> str:
        return pg_type(type_) or "text"

    # tables -----------------------------------------------------------------------------------------

    def _exists(self, session: Session, table: TableName) -> bool:
        name = literal(relation(*self._parts(table)))
        return bool(session.rows(f"SELECT to_regclass({name}) IS NOT NULL")[0][0])

    def _pg_columns(self, session: Session, table: TableName) -> list[PgColumn]:
        rows = session.rows(describe_sql(literal(relation(*self._parts(table)))))
        return [pg_column(row, _FREE_NUMERIC) for row in rows]

    def _describe(self, session: Session, table: TableName) -> list[TargetColumn] | None:
        if not self._exists(session, table):
            return None
        return [
            TargetColumn(
                name=c.name,
                type=c.type,
                nullable=c.nullable,
                spelled=c.spelled,
                encoded=encode(c, "{}"),
                direct=c.binary,
                carried=carried(c),
                restored="{}" if c.binary else f"{{}}::{c.spelled}",
            )
            for c in self._pg_columns(session, table)
        ]

    def _scan(self, table: TableName) -> str:
        columns = self._asked(str(table), lambda session: self._pg_columns(session, table))
        listed = ", ".join(
            f"CAST({ident(c.name)} AS {c.type}) AS {ident(c.name)}" if c.cast else ident(c.name)
            for c in columns
        )
        if not any(c.server for c in columns):
            return f"SELECT {listed} FROM {relation(self.alias, *self._parts(table))}"
        remote = ", ".join(f"{c.server or ident(c.name)} AS {ident(c.name)}" for c in columns)
        query = literal(f"SELECT {remote} FROM {relation(*self._parts(table))}")
        return f"SELECT {listed} FROM postgres_query({literal(self.alias)}, {query}) AS _remote"

    def _create_namespace(self, session: Session, namespace: str) -> None:
        # CREATE SCHEMA IF NOT EXISTS wants the right to create even where the schema is there
        there = session.rows(f"SELECT 1 FROM pg_namespace WHERE nspname = {literal(namespace)}")
        if not there:
            self._create_schema(session, namespace)

    def _create_schema(self, session: Session, namespace: str) -> None:
        """Two first publishes may meet here: IF NOT EXISTS does not see what is not committed, so the
        second waits for the first and then fails, although the schema is there."""
        import psycopg

        session.execute("SAVEPOINT sluiceway_schema")
        try:
            session.execute(f"CREATE SCHEMA IF NOT EXISTS {ident(namespace)}")
        except (psycopg.errors.UniqueViolation, psycopg.errors.DuplicateSchema):
            session.execute("ROLLBACK TO SAVEPOINT sluiceway_schema")
        session.execute("RELEASE SAVEPOINT sluiceway_schema")

    def _alter_type(self, session: Session, table: TableName, name: str, type_: str) -> None:
        session.execute(
            f"ALTER TABLE {relation(*self._parts(table))} ALTER COLUMN {ident(name)} TYPE {type_}"
        )

    # rows -------------------------------------------------------------------------------------------

    def _temporary(
        self, session: Session, columns: Sequence[tuple[str, str]], key: Sequence[str]
    ) -> tuple[str, ...]:
        listed = ", ".join(f"{ident(name)} {type_}" for name, type_ in columns)
        session.execute(f"DROP TABLE IF EXISTS pg_temp.{ident(_ROWS)}")
        session.execute(f"CREATE TEMP TABLE {ident(_ROWS)} ({listed}) ON COMMIT DROP")
        return ("pg_temp", _ROWS)

    def _settle_temporary(self, session: Session, parts: Sequence[str]) -> None:
        session.execute(f"ANALYZE {relation(*parts)}")

    @contextmanager
    def _encoder(self, con: duckdb.DuckDBPyConnection, staged: Staged) -> Iterator[duckdb.DuckDBPyConnection]:
        files_alone = staged.engine is not None and staged.engine.name == "duckdb"
        files_alone &= staged.files is not None or staged.confirm is not None
        if not files_alone or staged.published < _MANY:
            yield con
            return
        with of_one_thread(con, self._folder, "postgres_scanner") as own:
            yield own

    def _copy(
        self,
        session: Session,
        con: duckdb.DuckDBPyConnection,
        target: Sequence[str],
        names: Sequence[str],
        sql: str,
    ) -> int:
        listed = ", ".join(ident(name) for name in names)
        statement = f"COPY {relation(*target)} ({listed}) FROM STDIN (FORMAT binary)"
        if not isinstance(session, _PgSession):
            raise TypeError("a session of another system")
        with (
            copy_pipe(con, sql, self._folder, "FORMAT postgres_binary") as pipe,
            session.con.cursor() as cursor,
        ):
            # DuckDB's error leaves the block, so that the COPY is broken off: PostgreSQL would take
            # an end of the data between two rows for the end of it
            with cursor.copy(statement.encode()) as copy:
                for chunk in pipe.chunks():
                    copy.write(chunk)
            return cursor.rowcount

    # of executors -----------------------------------------------------------------------------------

    def _address(self) -> dict[str, Any] | None:
        return jdbc_target(self.server)

    def _workroom(self) -> Workroom:
        return PgPlace(self.server, self._folder, lambda: (self._duckdb(), self.alias))

    def _landing(self, type_: str) -> Landing | None:
        return landing(type_)

    # locks ------------------------------------------------------------------------------------------

    def _fence(self, session: Session, name: str) -> None:
        session.execute(f"SELECT pg_advisory_xact_lock({_key(name)})")

    @contextmanager
    def lock(self, name: str, timeout: float, holder: str) -> Iterator[None]:
        """An advisory lock on a session of its own, which the publish then runs on: should the session
        end, so do both."""
        import psycopg

        with self._errors(name):
            session = _PgSession(self.server.connect(f"sluiceway: {holder}"))
        try:
            with self._errors(name):
                session.execute(f"SET lock_timeout = {max(1, round(timeout * 1000))}")
                try:
                    session.execute(f"SELECT pg_advisory_lock({_key(name)})")
                except psycopg.errors.LockNotAvailable:
                    raise LockTimeoutError(
                        f"{name} is locked by {self._holder(session, name)}; waited {timeout:g} s",
                        hint="wait for that run to end, or raise lock_timeout",
                    ) from None
                session.execute("SET lock_timeout = 0")
            self._locked = session
            yield
        finally:
            self._locked = None
            session.close()

    def _holder(self, session: Session, name: str) -> str:
        found = session.rows(
            "SELECT a.application_name, a.pid FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid "
            "WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 "
            "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
            f"AND ((l.classid::bigint << 32) | l.objid::bigint) = {_key(name)}"
        )
        if not found:
            return "another session"
        who, pid = found[0]
        return f"{str(who).removeprefix('sluiceway: ') or 'another session'} (session {pid} of the server)"

    def dataset(self, table: TableName) -> tuple[str, str]:
        return f"postgres://{self.server.host}", f"{self.server.database}.{table.namespace}.{table.name}"


def _key(name: str) -> str:
    """The 64 bits that an advisory lock is known by."""
    return f"hashtextextended({literal('sluiceway ' + name)}, 0)"
