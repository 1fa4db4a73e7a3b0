"""What the databases have in common that publish by their own client: sessions, questions and tables.

DuckDB's attachment of the database is read-only and serves ``scan`` alone; everything else is asked of
the system itself.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from sluiceway.connectors import ledger
from sluiceway.connectors.base import SinkCapabilities
from sluiceway.duck import ident as duck_ident
from sluiceway.duck import open_duckdb, relation
from sluiceway.errors import DestinationError
from sluiceway.exchange import (
    QUARANTINE_COLUMNS,
    SYSTEM_SCHEMA,
    Cursor,
    Location,
    PublishOrder,
    Receipt,
    Scd2,
)
from sluiceway.schema import Column, Schema, TableName

if TYPE_CHECKING:
    import duckdb

    from sluiceway.connectors.base import ConnectorContext
    from sluiceway.connectors.dialects import Dialect
    from sluiceway.engines.base import Engine

__all__ = ["Database", "Session", "TargetColumn"]

T = TypeVar("T")


class Session(Protocol):
    """A connection for statements."""

    def execute(self, sql: str) -> None: ...

    def rows(self, sql: str) -> list[tuple[Any, ...]]: ...

    def begin(self) -> None: ...

    def commit(self) -> None: ...

    def rollback(self) -> None: ...

    @property
    def lost(self) -> bool:
        """The connection is gone."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class TargetColumn:
    """A column that rows go to.

    ``type``: what it is read as. ``encoded``: DuckDB's expression, with ``{}`` for the value, of what the
    bulk loader takes; where ``direct`` is False it takes ``carried`` (text if that is None), and ``restored``
    (with ``{}``) makes the column's value of that.
    """

    name: str
    type: str
    nullable: bool
    spelled: str
    encoded: str
    direct: bool = True
    restored: str = "{}"
    carried: str | None = None


class Database:
    """All of a Sink but its publish. A subclass gives its session and its types."""

    capabilities = SinkCapabilities(modes=("append", "replace", "merge", "scd2"), atomic=True)
    system: ClassVar[str]
    dialect: ClassVar[Dialect]
    name_bytes: ClassVar[int]
    ddl_commits: ClassVar[bool] = False
    """CREATE and ALTER end a transaction: they must go before it."""
    alias = "_warehouse"

    def __init__(self, config: Any, context: ConnectorContext) -> None:
        self.config = config
        self.context = context
        self._engine: Engine | None = None
        self._own: duckdb.DuckDBPyConnection | None = None
        self._attached = False
        self._idle: Session | None = None
        self._locked: Session | None = None
        self._ready = False
        self._made: Path | None = None

    # what a subclass gives --------------------------------------------------------------------------

    def _connect(self, name: str) -> Session:
        raise NotImplementedError

    def _errors(self, what: str) -> AbstractContextManager[None]:
        raise NotImplementedError

    def _attach(self, con: duckdb.DuckDBPyConnection) -> None:
        raise NotImplementedError

    def _clear_cache(self, con: duckdb.DuckDBPyConnection) -> None:
        raise NotImplementedError

    def _describe(self, session: Session, table: TableName) -> list[TargetColumn] | None:
        raise NotImplementedError

    def _type(self, type_: str, *, key: bool) -> str:
        """The column type that keeps DuckDB's ``type_``."""
        raise NotImplementedError

    def unsupported(self, schema: Schema) -> dict[str, str]:
        """Columns whose type this warehouse can't keep exactly -> what to do about it."""
        raise NotImplementedError

    def _create_namespace(self, session: Session, namespace: str) -> None:
        raise NotImplementedError

    def _alter_type(self, session: Session, table: TableName, name: str, type_: str) -> None:
        raise NotImplementedError

    def _fence(self, session: Session, name: str) -> None:
        """Wait until no other session is inside this fence; held as long as the session's transaction."""
        raise NotImplementedError

    def _exists(self, session: Session, table: TableName) -> bool:
        raise NotImplementedError

    # open and look ----------------------------------------------------------------------------------

    def open(self, engine: Engine | None) -> None:
        self._engine = engine
        if engine is not None and engine.name == "duckdb":
            self._duckdb()  # now: nothing can be attached once the engine is sealed
        else:
            self._session()  # unreachable is said here

    def _duckdb(self) -> duckdb.DuckDBPyConnection:
        """DuckDB with the database attached for reading."""
        engine = self._engine
        if engine is not None and engine.name == "duckdb":
            con: duckdb.DuckDBPyConnection = engine.connection
        else:
            self._own = self._own or open_duckdb(spill=self._folder)
            con = self._own
        if not self._attached:
            with self._errors(f"the {self.system} warehouse"):
                self._attach(con)
            self._attached = True
        return con

    def _session(self) -> Session:
        """A session for questions, kept between them."""
        if self._idle is None or self._idle.lost:
            with self._errors(f"the {self.system} warehouse"):
                self._idle = self._connect("sluiceway")
        return self._idle

    @property
    def _folder(self) -> Path:
        """For the pipe and for what spills; made when it is first asked for."""
        if self._made is None:
            self._made = Path(tempfile.mkdtemp(prefix="sluiceway-publish-"))
        return self._made

    def _asked(self, what: str, ask: Callable[[Session], T]) -> T:
        """The answer to a question, on a new session where the kept one has gone meanwhile."""
        session = self._session()
        try:
            with self._errors(what):
                return ask(session)
        except DestinationError:
            if not session.lost:
                raise
        with self._errors(what):
            return ask(self._session())

    def folders(self) -> tuple[Path, ...]:
        return (self._folder,)

    def _parts(self, table: TableName) -> tuple[str, ...]:
        return (table.namespace, table.name)

    def _place(self, name: str) -> tuple[str, ...]:
        return (SYSTEM_SCHEMA, name)

    def columns(self, table: TableName) -> Schema | None:
        self._check_names(table)
        found = self._asked(str(table), lambda session: self._describe(session, table))
        return None if found is None else Schema(tuple(Column(c.name, c.type, c.nullable) for c in found))

    def scan(self, table: TableName) -> str:
        con = self._duckdb()
        self._clear_cache(con)  # what was created since it was attached
        return self._scan(table)

    def locate(self, table: TableName) -> Location | None:
        return None

    def _scan(self, table: TableName) -> str:
        raise NotImplementedError

    def _has_system(self, session: Session) -> bool:
        if not self._ready:
            self._ready = all(
                self._exists(session, TableName(SYSTEM_SCHEMA, name))
                for name in ("receipts", "state", "quarantine")
            )
        return self._ready

    def _ask(self, sql: str) -> list[tuple[Any, ...]]:
        return self._asked(
            f"the {self.system} warehouse",
            lambda session: session.rows(sql) if self._has_system(session) else [],
        )

    def state(self, pipeline: str) -> tuple[Cursor, ...]:
        rows = self._ask(ledger.select_state(self.dialect, self._place, pipeline))
        return tuple(ledger.cursor_of(row) for row in rows)

    def receipts(self, pipeline: str | None = None, run_id: str | None = None) -> tuple[Receipt, ...]:
        rows = self._ask(ledger.select_receipts(self.dialect, self._place, pipeline, run_id))
        return tuple(ledger.receipt_of(row) for row in rows)

    def quarantine(self) -> str | None:
        if not self._asked(f"the {self.system} warehouse", self._has_system):
            return None
        self._clear_cache(self._duckdb())
        names = ", ".join(
            f"CAST({duck_ident(name)} AS {type_}) AS {duck_ident(name)}"
            for name, type_ in QUARANTINE_COLUMNS.items()
        )
        return f"SELECT {names} FROM {relation(self.alias, SYSTEM_SCHEMA, 'quarantine')}"

    # tables -----------------------------------------------------------------------------------------

    def _check_names(self, table: TableName) -> None:
        for part in (table.namespace, table.name):
            if len(part.encode()) > self.name_bytes:
                raise DestinationError(
                    f"'{part}' is too long a name for {self.system}: {self.name_bytes} bytes at most",
                    hint="give destination.table a shorter name",
                    details={"final": True},
                )

    def _create_system(self, session: Session) -> None:
        """The ``_sluiceway`` tables, once, before the transaction. Two runs may meet here."""
        if self._has_system(session):
            return
        session.begin()
        self._fence(session, "create the system tables")
        self._create_namespace(session, SYSTEM_SCHEMA)
        for sql in ledger.create_tables(self.dialect, self._place):
            session.execute(sql)
        session.commit()

    def _index(self, columns: Sequence[tuple[str, str]], key: Sequence[str]) -> str:
        """What follows the columns of a new table, so that rows are found by their key; '' where the
        server needs no index for that."""
        return ""

    def _prepare_table(self, session: Session, schema: Schema, order: PublishOrder) -> None:
        table = self.dialect.relation(*self._parts(order.table))
        there = self._describe(session, order.table)
        keys = {name.casefold() for name in order.key}
        if there is None:
            columns = [(c.name, self._type(c.type, key=c.name.casefold() in keys)) for c in schema]
            if order.mode == "scd2":
                options = order.scd2 or Scd2()
                moment = self._type("TIMESTAMP", key=False)
                columns += [(options.valid_from, moment), (options.valid_to, moment)]
            listed = ", ".join(f"{self.dialect.ident(name)} {type_}" for name, type_ in columns)
            self._create_namespace(session, order.table.namespace)
            index = self._index(columns, order.key) if order.mode in ("merge", "scd2") else ""
            session.execute(f"CREATE TABLE {table} ({listed}{index})")
            return
        names = {c.name.casefold() for c in there}
        for name, type_ in order.add_columns.items():
            if name.casefold() not in names:
                column = f"{self.dialect.ident(name)} {self._type(type_, key=False)}"
                session.execute(f"ALTER TABLE {table} ADD COLUMN {column}")
                names.add(name.casefold())
        for name, type_ in order.widen_columns.items():
            self._alter_type(session, order.table, name, self._type(type_, key=name.casefold() in keys))
        needed = list(schema.names)
        if order.mode == "scd2":
            options = order.scd2 or Scd2()
            needed += [options.valid_from, options.valid_to]
        missing = [name for name in needed if name.casefold() not in names]
        if missing:
            raise DestinationError(
                f"{order.table} has no column '{missing[0]}'",
                hint="allow it with schema_contract: {columns: evolve}, or drop it in the transform",
                details={"final": True},
            )

    def close(self) -> None:
        for session in (self._locked, self._idle):
            if session is not None:
                session.close()
        self._locked = self._idle = None
        if self._own is not None:
            self._own.close()
            self._own = None
        if self._made is not None:
            shutil.rmtree(self._made, ignore_errors=True)
            self._made = None
