"""What the warehouses have in common that publish by their own client: PostgreSQL and MySQL.

The rows are encoded by DuckDB (the engine's, or one of ours) and streamed into the system's bulk loader
(``pipe``); everything else is statements of ``loading`` and ``ledger`` on the same session, in one
transaction. DuckDB's attachment of the database is read-only and serves ``scan`` alone.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeVar

from sluiceway.connectors import ledger
from sluiceway.connectors.base import SinkCapabilities
from sluiceway.connectors.loading import check_order, load
from sluiceway.duck import ident as duck_ident
from sluiceway.duck import literal, open_duckdb, relation
from sluiceway.errors import DestinationError
from sluiceway.exchange import (
    QUARANTINE_COLUMNS,
    SYSTEM_SCHEMA,
    Cursor,
    PublishOrder,
    Receipt,
    Scd2,
    Staged,
    Verdict,
)
from sluiceway.schema import Column, Schema, TableName

if TYPE_CHECKING:
    import duckdb

    from sluiceway.connectors.base import ConnectorContext
    from sluiceway.connectors.dialects import Dialect
    from sluiceway.engines.base import Engine

__all__ = ["DatabaseSink", "Session", "TargetColumn"]

T = TypeVar("T")
_ROWS = "_sluiceway_rows"
_ASK_AGAIN = 10.0
"""Seconds in which a server that went away at COMMIT is asked for the receipt."""


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
    bulk loader takes; where ``direct`` is False it takes text, and ``restored`` (with ``{}``) makes the
    column's value of that.
    """

    name: str
    type: str
    nullable: bool
    spelled: str
    encoded: str
    direct: bool = True
    restored: str = "{}"


class DatabaseSink:
    """The base of a Sink. A subclass gives its session, its types and its bulk load."""

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

    def _temporary(self, session: Session, columns: Sequence[tuple[str, str]]) -> tuple[str, ...]:
        """Make the temporary table of staged rows; the parts of its name."""
        raise NotImplementedError

    def _settle_temporary(self, session: Session, parts: Sequence[str]) -> None:
        """The temporary table is filled: let the server's planner know, where it would not."""

    def _copy(
        self,
        session: Session,
        con: duckdb.DuckDBPyConnection,
        target: Sequence[str],
        names: Sequence[str],
        sql: str,
    ) -> int:
        """Bulk load the rows of ``sql``; how many the server took."""
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

    def settle(self, quarantine_ids: tuple[str, ...], status: Literal["replayed", "discarded"]) -> int:
        session = self._session()
        changed = 0
        with self._errors("the quarantine"):
            if not quarantine_ids or not self._has_system(session):
                return 0
            session.begin()
            try:
                for count, update in ledger.mark_quarantine(
                    self.dialect, self._place, quarantine_ids, status
                ):
                    changed += int(session.rows(count)[0][0])
                    session.execute(update)
                session.commit()
            except BaseException:  # also an interrupt: the session is kept, its transaction must not be
                _give_up(session)
                raise
        return changed

    # publish ----------------------------------------------------------------------------------------

    def publish(self, verdict: Verdict, staged: Staged, order: PublishOrder) -> Receipt:
        check_order(verdict, staged, order)
        self._check_names(order.table)
        refused = self.unsupported(staged.schema)
        if refused:
            column, hint = next(iter(refused.items()))
            raise DestinationError(
                f"{order.table}: {self.system} can't keep column '{column}' ({staged.schema[column].type})",
                hint=hint,
                details={"final": True},
            )
        with ExitStack() as stack:
            session = self._locked
            if session is None:
                with self._errors(str(order.table)):
                    session = self._connect(f"sluiceway: run {order.run_id} of {order.pipeline}")
                stack.callback(session.close)
            con, good, bad = stack.enter_context(self._staging(staged))
            with self._errors(str(order.table)):
                self._create_system(session)
            return self._transact(session, con, staged, order, good, bad)

    def _transact(
        self,
        session: Session,
        con: duckdb.DuckDBPyConnection,
        staged: Staged,
        order: PublishOrder,
        good: str,
        bad: str | None,
    ) -> Receipt:
        try:
            with self._errors(str(order.table)):
                # whoever publishes to this table without a lock waits here, before its DDL
                fences = (f"publish {order.table}", f"run {order.run_id}")
                if self.ddl_commits:
                    for name in fences:
                        self._fence(session, name)
                    if not self._receipt(session, order.run_id):
                        self._prepare_table(session, staged.schema, order)
                    session.begin()
                else:
                    session.begin()
                    for name in fences:
                        self._fence(session, name)
                done = self._receipt(session, order.run_id)
                if done is not None:
                    session.rollback()
                    return done
                receipt = self._publish(session, con, staged, order, good, bad)
        except BaseException:  # also an interrupt: never leave a transaction open on a kept session
            _give_up(session)
            raise
        return self._commit(session, receipt, order)

    def _receipt(self, session: Session, run_id: str) -> Receipt | None:
        found = session.rows(ledger.select_receipts(self.dialect, self._place, run_id=run_id))
        return ledger.receipt_of(found[0]) if found else None

    def _publish(
        self,
        session: Session,
        con: duckdb.DuckDBPyConnection,
        staged: Staged,
        order: PublishOrder,
        good: str,
        bad: str | None,
    ) -> Receipt:
        now = datetime.now(UTC)
        if not self.ddl_commits:
            self._prepare_table(session, staged.schema, order)
        late = self._load(session, con, staged, order, good)
        if bad is not None:  # quarantined_rows counts the gate's alone: sources turn rows away, too
            self._quarantine(session, con, staged, order, bad)
        before = session.rows(ledger.select_state(self.dialect, self._place, order.pipeline))
        receipt = ledger.new_receipt(staged, order, now, late=late)
        undo = ledger.undo_json((ledger.cursor_of(row) for row in before), order.replays)
        for sql in (
            *ledger.write_replays(self.dialect, self._place, order.replays),
            *ledger.write_state(self.dialect, self._place, order.pipeline, order.cursors, order.run_id, now),
            ledger.write_receipt(self.dialect, self._place, receipt, undo),
        ):
            session.execute(sql)
        return receipt

    def _commit(self, session: Session, receipt: Receipt, order: PublishOrder) -> Receipt:
        """COMMIT. Where its answer got lost, the receipt says what happened."""
        try:
            with self._errors(str(order.table)):
                session.commit()
        except DestinationError as error:
            if not session.lost:
                _give_up(session)
                raise
            found = self._what_happened(order, error)
            if found is None:
                raise
            return found
        return receipt

    def _what_happened(self, order: PublishOrder, cause: DestinationError) -> Receipt | None:
        """Behind the fence of the lost session: what it did is done by then, or undone."""
        deadline = time.monotonic() + _ASK_AGAIN
        while True:
            try:
                with self._errors(str(order.table)):
                    session = self._connect("sluiceway: asks for a receipt")
                    try:
                        session.begin()
                        self._fence(session, f"run {order.run_id}")
                        return self._receipt(session, order.run_id)
                    finally:
                        session.close()
            except DestinationError:
                if time.monotonic() > deadline:
                    raise DestinationError(
                        f"{order.table}: the server went away at COMMIT and can't be asked whether run "
                        f"{order.run_id} was published",
                        hint="run the pipeline again once the server is back: it reads the receipt first",
                        details={"ambiguous": True},
                    ) from cause
                time.sleep(0.25)

    @contextmanager
    def _staging(self, staged: Staged) -> Iterator[tuple[duckdb.DuckDBPyConnection, str, str | None]]:
        """DuckDB, and SELECTs of the good and of the quarantined rows in it, whatever engine staged them."""
        if staged.engine is not None and staged.engine.name == "duckdb":
            yield staged.engine.connection, staged.good, staged.quarantined
            return
        con = open_duckdb(spill=self._folder)
        try:
            with self._errors("the staged rows"):
                good = None
                if staged.files is not None and staged.files:
                    paths = ", ".join(literal(str(f)) for f in staged.files)
                    good = f"SELECT * FROM read_parquet([{paths}], hive_partitioning = false)"
                bad = None if staged.quarantined is None else _copied(con, staged, "bad", staged.quarantined)
                yield_good = good or _copied(con, staged, "good", staged.good)
            yield con, yield_good, bad
        finally:
            con.close()

    def _load(
        self, session: Session, con: duckdb.DuckDBPyConnection, staged: Staged, order: PublishOrder, good: str
    ) -> int:
        target = self._parts(order.table)
        there = {c.name.casefold(): c for c in self._describe(session, order.table) or ()}
        columns = [there[name.casefold()] for name in staged.schema.names]
        names = [c.name for c in columns]
        values = ", ".join(
            f"{c.encoded.format(duck_ident(given))} AS {duck_ident(c.name)}"
            for c, given in zip(columns, staged.schema.names, strict=True)
        )
        rows = f"SELECT {values} FROM ({good}) AS _good"
        if order.mode in ("append", "replace") and all(c.direct for c in columns):
            for sql in load(self.dialect, target, "unused", names, order).statements[:-1]:
                session.execute(sql)
            self._counted(self._copy(session, con, target, names, rows), staged, order)
            return 0
        temporary = self._temporary(
            session, [(c.name, c.spelled if c.direct else self._type("VARCHAR", key=False)) for c in columns]
        )
        self._counted(self._copy(session, con, temporary, names, rows), staged, order)
        self._settle_temporary(session, temporary)
        restored = ", ".join(
            f"{c.restored.format(self.dialect.ident(c.name))} AS {self.dialect.ident(c.name)}"
            for c in columns
        )
        relation_of = self.dialect.relation(*temporary)
        if not all(c.direct for c in columns):
            relation_of = f"(SELECT {restored} FROM {relation_of} AS _text)"
        plan = load(self.dialect, target, relation_of, names, order)
        for sql in plan.prepare:
            session.execute(sql)
        for check in plan.checks:
            check.enforce(int(session.rows(check.sql)[0][0]), str(order.table))
        late = int(session.rows(plan.late)[0][0]) if plan.late else 0
        for sql in plan.statements:
            session.execute(sql)
        return late

    def _counted(self, taken: int, staged: Staged, order: PublishOrder) -> None:
        if taken != staged.published:
            raise DestinationError(
                f"{order.table}: {staged.published} rows were to be published, {self.system} took {taken}",
                hint="nothing was published; run it again",
            )

    def _quarantine(
        self, session: Session, con: duckdb.DuckDBPyConnection, staged: Staged, order: PublishOrder, bad: str
    ) -> None:
        there = {c.name: c for c in self._describe(session, TableName(SYSTEM_SCHEMA, "quarantine")) or ()}
        columns = [there[name] for name in QUARANTINE_COLUMNS]
        values = ", ".join(f"{c.encoded.format(duck_ident(c.name))} AS {duck_ident(c.name)}" for c in columns)
        taken = self._copy(
            session,
            con,
            self._place("quarantine"),
            list(QUARANTINE_COLUMNS),
            f"SELECT {values} FROM ({bad}) AS _bad",
        )
        if taken < staged.quarantined_rows:  # rejects of the sources come on top
            raise DestinationError(
                f"{order.table}: of {staged.quarantined_rows} rows to quarantine {self.system} took {taken}",
                hint="nothing was published; run it again",
            )

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
            session.execute(f"CREATE TABLE {table} ({listed})")
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

    def rollback(self, run_id: str, *, new_run_id: str, force: bool, keep_cursor: bool) -> Receipt:
        raise DestinationError(
            f"a {self.system} warehouse keeps no snapshots, so run {run_id} can't be rolled back",
            hint="use a ducklake warehouse, or load again with run --full-refresh",
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


def _give_up(session: Session) -> None:
    """Roll back; on a lost connection the server does."""
    if not session.lost:
        session.rollback()


def _copied(con: duckdb.DuckDBPyConnection, staged: Staged, name: str, sql: str) -> str:
    """Rows of another engine, by Arrow, in a table of ours (a pipe's cursor sees no temporary ones)."""
    reader = staged.engine.batches(sql, 100_000)
    con.register("_sluiceway_reader", reader)
    try:
        con.execute(f"CREATE OR REPLACE TABLE _sluiceway_{name} AS FROM _sluiceway_reader")
    finally:
        con.unregister("_sluiceway_reader")
    return f"SELECT * FROM _sluiceway_{name}"
