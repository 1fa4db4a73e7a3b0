"""What the warehouses have in common that DuckDB attaches: DuckLake, DuckDB files, SQLite files.

The database is attached to the engine's own DuckDB where that is the engine (loading extensions and
opening a second instance would cost more than a small publish), else to one of our own. The publish: see
``attached_sink``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from sluiceway.connectors import ledger
from sluiceway.connectors.loading import DUCKDB
from sluiceway.connectors.types import unsupported
from sluiceway.duck import open_duckdb, relation
from sluiceway.errors import DestinationError
from sluiceway.exchange import SYSTEM_SCHEMA, Cursor, Location, Receipt
from sluiceway.locks import file_lock
from sluiceway.schema import Column, Schema, TableName
from sluiceway.secrets import redact

if TYPE_CHECKING:
    import duckdb

    from sluiceway.connectors.base import ConnectorContext, SinkCapabilities
    from sluiceway.engines.base import Engine

__all__ = ["Attached", "duckdb_errors", "first_line"]

T = TypeVar("T")
_SYSTEM = ("receipts", "state", "quarantine")


def first_line(error: Exception) -> str:
    """DuckDB's message without the echo of a statement that the user never wrote."""
    text = str(error).split("\n\nLINE ")[0].split("\nLINE ")[0]
    return redact(" ".join(text.split()))[:600]


@contextmanager
def duckdb_errors(what: str) -> Iterator[None]:
    """DuckDB's exceptions as DestinationError: ``what`` failed, and why."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        full = "No space left" in str(error)
        raise DestinationError(
            f"{what}: {first_line(error)}",
            hint="free some disk and run again; nothing was published" if full else None,
        ) from error


class Attached:
    """All of a Sink but its publish. A subclass says how to attach, and what its system can't do."""

    capabilities: SinkCapabilities
    system: ClassVar[str]
    alias = "_warehouse"

    def __init__(self, config: Any, context: ConnectorContext) -> None:
        self.config = config
        self.context = context
        self._own: duckdb.DuckDBPyConnection | None = None
        self._engine: Engine | None = None
        self._ready = False

    # what a subclass gives

    def _attach(self, con: duckdb.DuckDBPyConnection) -> None:
        """Make ``self.alias`` stand for the database."""
        raise NotImplementedError

    def _locks(self) -> Path:
        """The folder of the lock files."""
        raise NotImplementedError

    def _parts(self, table: TableName) -> tuple[str, ...]:
        return (self.alias, table.namespace, table.name)

    def _place(self, name: str) -> tuple[str, ...]:
        return (self.alias, SYSTEM_SCHEMA, name)

    def _create_schema(self, con: duckdb.DuckDBPyConnection, namespace: str) -> None:
        con.execute(f"CREATE SCHEMA IF NOT EXISTS {relation(self.alias, namespace)}")

    @contextmanager
    def _attached(self, *, write: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        """The connection, with the database attached for as long as the block runs at least."""
        yield self._con

    # Sink

    @property
    def _con(self) -> duckdb.DuckDBPyConnection:
        engine = self._engine
        if engine is not None and engine.name == "duckdb":
            con: duckdb.DuckDBPyConnection = engine.connection
            return con
        if self._own is None:
            raise DestinationError(f"the {self.system} warehouse is not open")
        return self._own

    def open(self, engine: Engine | None) -> None:
        self._engine = engine
        if engine is None or engine.name != "duckdb":
            self._own = open_duckdb()
        with duckdb_errors(f"the {self.system} warehouse can't be opened"):
            self._attach(self._con)

    def folders(self) -> tuple[Path, ...]:
        raise NotImplementedError

    def unsupported(self, schema: Schema) -> dict[str, str]:
        """Columns whose type this warehouse can't keep exactly -> what to do about it."""
        return unsupported(schema, self.system)

    def columns(self, table: TableName) -> Schema | None:
        with self._attached() as con, duckdb_errors(f"{table} can't be described"):
            return self._describe(con, table)

    def _describe(self, con: duckdb.DuckDBPyConnection, table: TableName) -> Schema | None:
        import duckdb

        try:
            rows = con.execute(f"DESCRIBE {relation(*self._parts(table))}").fetchall()
        except duckdb.CatalogException:  # no such table, or no such schema
            return None
        return Schema(tuple(Column(row[0], row[1], row[2] == "YES") for row in rows))

    def scan(self, table: TableName) -> str:
        return f"SELECT * FROM {relation(*self._parts(table))}"

    def locate(self, table: TableName) -> Location | None:
        return None

    def _has_system(self, con: duckdb.DuckDBPyConnection) -> bool:
        import duckdb

        if not self._ready:
            try:
                for name in _SYSTEM:
                    con.execute(f"SELECT 1 FROM {relation(*self._place(name))} LIMIT 0")
            except duckdb.CatalogException:
                return False
            self._ready = True
        return True

    def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self._attached() as con, duckdb_errors(f"the {self.system} warehouse can't be read"):
            return con.execute(sql).fetchall() if self._has_system(con) else []

    def state(self, pipeline: str) -> tuple[Cursor, ...]:
        rows = self._rows(ledger.select_state(DUCKDB, self._place, pipeline))
        return tuple(ledger.cursor_of(row) for row in rows)

    def receipts(self, pipeline: str | None = None, run_id: str | None = None) -> tuple[Receipt, ...]:
        rows = self._rows(ledger.select_receipts(DUCKDB, self._place, pipeline, run_id))
        return tuple(ledger.receipt_of(row) for row in rows)

    def quarantine(self) -> str | None:
        with self._attached() as con:
            return ledger.select_quarantine(DUCKDB, self._place) if self._has_system(con) else None

    def lock(self, name: str, timeout: float, holder: str) -> AbstractContextManager[None]:
        return file_lock(self._locks(), f"table {name}", timeout, holder)

    def _writer(self, holder: str) -> AbstractContextManager[None]:
        """One writer at a time in the whole database, from BEGIN to COMMIT."""
        return file_lock(self._locks(), "writer", self.context.lock_timeout, holder)

    def close(self) -> None:
        if self._own is not None:
            self._own.close()
            self._own = None
        self._engine = None
