"""BigQuery's tables as a warehouse knows them: names, types, scans, working tables, and locks, which are
leases (see ``bqlease``). Their publish: see ``bqsink``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from sluiceway.connectors import ledger
from sluiceway.connectors.bqclient import BqServer, bq_errors
from sluiceway.connectors.bqdialect import BIGQUERY
from sluiceway.connectors.bqlease import Leases
from sluiceway.connectors.bqplace import BigQueryPlace
from sluiceway.connectors.bqrows import parquet_of, quarantine_of
from sluiceway.connectors.bqscript import again_on_conflict
from sluiceway.connectors.bqtypes import BqColumn, bq_type, unsupported
from sluiceway.connectors.database import Database, Session, TargetColumn
from sluiceway.duck import open_duckdb
from sluiceway.errors import DestinationError
from sluiceway.exchange import SYSTEM_SCHEMA
from sluiceway.schema import Schema, TableName

if TYPE_CHECKING:
    import duckdb

    from sluiceway.connectors.base import ConnectorContext
    from sluiceway.engines.base import Engine

__all__ = ["BigQueryTables"]

WORK_SCHEMA = "_sluiceway_work"
_WORK_DAYS = 2
"""After so many days what a killed run left there is gone by itself."""


class _Questions:
    """Statements outside any transaction: every one a job of its own."""

    lost = False

    def __init__(self, server: BqServer) -> None:
        self.server = server

    def execute(self, sql: str) -> None:
        self.server.run(sql)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.server.rows(sql)

    def begin(self) -> None:
        raise NotImplementedError("a transaction is one script")

    commit = rollback = begin

    def close(self) -> None:
        pass


class BigQueryTables(Database):
    """All of the sink but its publish."""

    system = "BigQuery"
    dialect = BIGQUERY
    name_bytes = 1024
    ddl_commits = True

    def __init__(self, config: Any, context: ConnectorContext) -> None:
        super().__init__(config, context)
        self.server = BqServer(config, context.where, context.project)
        locks, beats = (self.dialect.relation(*self._place(name)) for name in ("locks", "beats"))
        self.leases = Leases(self.server, locks, beats, config.lock_lease)
        self._worked = self._inside = False

    def _connect(self, name: str) -> Session:
        return _Questions(self.server)

    def _errors(self, what: str) -> AbstractContextManager[None]:
        return bq_errors(self.server, DestinationError, what=what)

    def _parts(self, table: TableName) -> tuple[str, ...]:
        return (self.server.project, table.namespace, table.name)

    def _place(self, name: str) -> tuple[str, ...]:
        return (self.server.project, SYSTEM_SCHEMA, name)

    def _check_names(self, table: TableName) -> None:
        for part, allowed, said in (
            (table.namespace, r"[A-Za-z0-9_]+", "letters of ASCII, digits and _"),
            (table.name, r"[\w \-]+", "letters, digits, blanks, _ and -"),
        ):
            if not re.fullmatch(allowed, part) or len(part.encode()) > self.name_bytes:
                raise DestinationError(
                    f"BigQuery takes no '{part}' as a name of {table}: it has {said}, "
                    f"{self.name_bytes} bytes at most",
                    hint="give destination.table another name",
                    details={"final": True},
                )

    def unsupported(self, schema: Schema) -> dict[str, str]:
        return unsupported(schema)

    def _type(self, type_: str, *, key: bool) -> str:
        return bq_type(type_) or "STRING"

    # open and look ------------------------------------------------------------------------------------

    def open(self, engine: Engine | None) -> None:
        self._engine = engine
        if engine is not None and engine.name == "warehouse":
            self._inside, self._engine = True, engine.local
            place = BigQueryPlace(self.server, self._folder, self._create_work)
            engine.enter(place)  # type: ignore[attr-defined]  # the engine of that name has it
        with self._errors("the BigQuery warehouse"):
            self.server.rows("SELECT 1")  # unreachable is said here

    def _duckdb(self) -> duckdb.DuckDBPyConnection:
        engine = self._engine
        if engine is not None and engine.name == "duckdb":
            con: duckdb.DuckDBPyConnection = engine.connection
            return con
        self._own = self._own or open_duckdb(spill=self._folder)
        return self._own

    def scan(self, table: TableName) -> str:
        with self._errors(str(table)):
            columns, relation = self._bq_columns(table), self.dialect.relation(*self._parts(table))
            if self._inside:
                listed = ", ".join(f"{c.here} AS {self.dialect.ident(c.name)}" for c in columns)
                return f"SELECT {listed} FROM {relation}"
            return parquet_of(self.server, relation, columns, self._folder)

    def quarantine(self) -> str | None:
        if not self._asked("the quarantine", self._has_system):
            return None
        with self._errors("the quarantine"):
            return quarantine_of(self.server, self._place("quarantine"), self._folder)

    def dataset(self, table: TableName) -> tuple[str, str]:
        return "bigquery", ".".join(self._parts(table))

    # tables -------------------------------------------------------------------------------------------

    def _exists(self, session: Session, table: TableName) -> bool:
        return self.server.columns(*self._parts(table)) is not None

    def _bq_columns(self, table: TableName) -> list[BqColumn]:
        return self.server.columns(*self._parts(table)) or []

    def _describe(self, session: Session, table: TableName) -> list[TargetColumn] | None:
        found = self.server.columns(*self._parts(table))
        if found is None:
            return None
        return [
            TargetColumn(name=c.name, type=c.type, nullable=c.nullable, spelled=c.spelled, encoded="{}")
            for c in found
        ]

    def _create_namespace(self, session: Session, namespace: str) -> None:
        self.server.make_dataset(namespace)

    def _alter_type(self, session: Session, table: TableName, name: str, type_: str) -> None:
        there = {c.name.casefold(): c.spelled for c in self._bq_columns(table)}
        if there.get(name.casefold(), "") != type_:
            session.execute(
                f"ALTER TABLE {self.dialect.relation(*self._parts(table))} "
                f"ALTER COLUMN {self.dialect.ident(name)} SET DATA TYPE {type_}"
            )

    def _create_system(self, session: Session) -> None:
        if self._has_system(session):
            return
        self._create_namespace(session, SYSTEM_SCHEMA)
        for sql in (*self.leases.create, *ledger.create_tables(self.dialect, self._place)):
            again_on_conflict(lambda sql=sql: session.execute(sql))  # type: ignore[misc]  # a lambda with a default

    def _create_work(self) -> str:
        if not self._worked:
            self.server.make_dataset(WORK_SCHEMA, days=_WORK_DAYS)
            self._worked = True
        return WORK_SCHEMA

    # locks --------------------------------------------------------------------------------------------

    @contextmanager
    def lock(self, name: str, timeout: float, holder: str) -> Iterator[None]:
        with self._errors(name):
            self._create_system(self._session())
        with self._taking(name, timeout, holder):
            yield

    @contextmanager
    def _taking(self, name: str, timeout: float, holder: str) -> Iterator[None]:
        lock = self.leases.lock(name, timeout, holder)
        with self._errors(name):
            lock.__enter__()
        try:
            yield
        finally:
            lock.__exit__(None, None, None)

    def close(self) -> None:
        super().close()
        self.server.close()
