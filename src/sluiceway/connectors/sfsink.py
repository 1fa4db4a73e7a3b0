"""A database of Snowflake as a warehouse: a namespace is a schema, and ``_SLUICEWAY`` one beside them.

DDL commits in Snowflake, so tables are made and widened before the transaction; rows, state, quarantine and
receipt are one transaction. Rows go in as Parquet, by PUT and COPY.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from sluiceway.connectors import ledger
from sluiceway.connectors.database import Session, TargetColumn
from sluiceway.connectors.dbsink import DatabaseSink, carried_out, give_up, is_here
from sluiceway.connectors.dialects import SNOWFLAKE
from sluiceway.connectors.loading import Load, load
from sluiceway.connectors.sfclient import SfServer, sf_errors
from sluiceway.connectors.sflease import Lease, lease_table
from sluiceway.connectors.sfplace import SfPlace
from sluiceway.connectors.sfsession import SfSession, spooled
from sluiceway.connectors.sftypes import (
    MAX_NAME,
    SfColumn,
    carried,
    quote,
    sf_ident,
    sf_relation,
    sf_type,
    stored,
    unsupported,
)
from sluiceway.duck import ident as duck_ident
from sluiceway.errors import DestinationError
from sluiceway.exchange import QUARANTINE_COLUMNS, SYSTEM_SCHEMA, PublishOrder, Receipt, Staged
from sluiceway.schema import Schema, TableName

if TYPE_CHECKING:
    import duckdb

    from sluiceway.connectors.base import ConnectorContext
    from sluiceway.engines.base import Engine

__all__ = ["SnowflakeSink"]


class SnowflakeSink(DatabaseSink):
    system = "Snowflake"
    dialect = SNOWFLAKE
    name_bytes = MAX_NAME
    ddl_commits = True

    def __init__(self, config: Any, context: ConnectorContext) -> None:
        super().__init__(config, context)
        self.server = SfServer.of(config, context.where, context.project)
        self._inside = False
        self._leases: list[Lease] = []
        self._plan: Load | None = None
        self._fenced = self._rows = self._relation = ""
        self._targets: list[TargetColumn] = []

    def _connect(self, name: str) -> Session:
        return SfSession(self.server, name)

    def _errors(self, what: str) -> AbstractContextManager[None]:
        return sf_errors(self.server, DestinationError, what=what)

    def _attach(self, con: duckdb.DuckDBPyConnection) -> None:
        """DuckDB has no door to Snowflake: rows are spooled to files beside it."""

    def _clear_cache(self, con: duckdb.DuckDBPyConnection) -> None:
        pass

    def open(self, engine: Engine | None) -> None:
        if engine is None or engine.name != "warehouse":
            super().open(engine)
            return
        self._inside = True
        super().open(engine.local)
        engine.enter(SfPlace(self.server, self._folder))  # type: ignore[attr-defined]  # that engine has it

    def unsupported(self, schema: Schema) -> dict[str, str]:
        return unsupported(schema)

    def _type(self, type_: str, *, key: bool) -> str:
        return sf_type(type_) or "VARCHAR"

    # tables -----------------------------------------------------------------------------------------

    def _columns(self, session: Session, table: TableName) -> list[SfColumn] | None:
        return _ours(session).described(self.dialect.relation(*self._parts(table)))

    def _exists(self, session: Session, table: TableName) -> bool:
        return self._columns(session, table) is not None

    def _describe(self, session: Session, table: TableName) -> list[TargetColumn] | None:
        found = self._columns(session, table)
        for column in found or ():
            if stored(column.name) != column.kept:
                raise DestinationError(
                    f'{table}: column "{column.kept}" is spelled in lower case in Snowflake, where plain '
                    "names are in capitals",
                    hint=f"ALTER TABLE {self.dialect.relation(*self._parts(table))} RENAME COLUMN "
                    f"{quote(column.kept)} TO {sf_ident(column.name)}",
                    details={"final": True},
                )
        return None if found is None else [
            TargetColumn(c.name, c.type, c.nullable, c.spelled, f"CAST({{}} AS {_written(c)})")
            for c in found
        ]  # fmt: skip

    def _scan(self, table: TableName) -> str:
        found = self._asked(str(table), lambda session: self._columns(session, table)) or []
        source = self.dialect.relation(*self._parts(table))
        if self._inside:
            return f"SELECT {', '.join(f'{quote(c.kept)} AS {quote(c.name)}' for c in found)} FROM {source}"
        return self._pulled(str(table), source, found)

    def _pulled(self, what: str, source: str, columns: Sequence[SfColumn]) -> str:
        listed = ", ".join(f"{carried(c)} AS {quote(c.kept)}" for c in columns)
        return self._asked(
            what,
            lambda session: spooled(_ours(session), f"SELECT {listed} FROM {source}", columns, self._folder),
        )

    def quarantine(self) -> str | None:
        if not self._asked(f"the {self.system} warehouse", self._has_system):
            return None
        columns = [
            SfColumn(name, stored(name), sf_type(type_) or "", type_)
            for name, type_ in QUARANTINE_COLUMNS.items()
        ]
        return self._pulled("the quarantine", self.dialect.relation(*self._place("quarantine")), columns)

    def _create_namespace(self, session: Session, namespace: str) -> None:
        if not session.rows(
            "SELECT 1 FROM information_schema.schemata "
            f"WHERE schema_name = {self.dialect.literal(stored(namespace))}"
        ):
            session.execute(f"CREATE SCHEMA IF NOT EXISTS {sf_ident(namespace)}")

    def _create_system(self, session: Session) -> None:
        if self._has_system(session):
            return
        self._create_namespace(session, SYSTEM_SCHEMA)
        for sql in ledger.create_tables(self.dialect, self._place):
            session.execute(sql)

    def _alter_type(self, session: Session, table: TableName, name: str, type_: str) -> None:
        there = {c.name.casefold(): c for c in self._columns(session, table) or ()}
        if name.casefold() in there and there[name.casefold()].spelled.replace(" ", "") == type_:
            return  # integers have one width
        session.execute(
            f"ALTER TABLE {self.dialect.relation(*self._parts(table))} "
            f"ALTER COLUMN {sf_ident(name)} SET DATA TYPE {type_}"
        )

    # the publish ------------------------------------------------------------------------------------

    def _transact(
        self,
        session: Session,
        con: duckdb.DuckDBPyConnection,
        staged: Staged,
        order: PublishOrder,
        good: str,
        bad: str | None,
    ) -> Receipt:
        name, table = f"publish {order.table}", order.table
        who = f"run {order.run_id} of {order.pipeline}"
        with self._errors(str(table)), self._leased(name, self.context.lock_timeout, who) as lease:
            done = self._receipt(session, order.run_id)
            if done is not None:
                return done
            ours, before = _ours(session), self._columns(session, table)
            self._fenced = lease_table(name)
            try:
                self._prepare_table(session, staged.schema, order)
                self._before(ours, staged, order, good)
                session.begin()
                lease.fence(ours)
                receipt = self._publish(session, con, staged, order, good, bad)
                if not all(held.held for held in self._leases):
                    raise DestinationError(
                        f"{table}: the run's lock ran out before the COMMIT",
                        hint="nothing was published; run it again, or raise lock_lease of the warehouse",
                    )
            except BaseException:  # also an interrupt: what DDL committed must not stay behind
                give_up(session)
                if not session.lost:
                    self._undo_ddl(session, table, before)
                    self._forget(session)
                raise
            made = self._commit(session, receipt, order)
            self._forget(session)
            return made

    def _fence(self, session: Session, name: str) -> None:
        """Whoever asks what became of a lost transaction waits for its end, on the row that it touched."""
        _ours(session).changed(f'UPDATE {self._fenced} SET "FENCED" = "FENCED" + 1')

    def _undo_ddl(self, session: Session, table: TableName, before: list[SfColumn] | None) -> None:
        """The table as it was. No row was written since, so nothing is lost; a process that is killed in
        between leaves an empty table, or columns without values, which the next run takes as they are."""
        name = self.dialect.relation(*self._parts(table))
        if before is None:
            session.execute(f"DROP TABLE IF EXISTS {name}")
            return
        were = {column.kept for column in before}
        for column in self._columns(session, table) or ():
            if column.kept not in were:
                session.execute(f"ALTER TABLE {name} DROP COLUMN {quote(column.kept)}")

    # rows -------------------------------------------------------------------------------------------

    def _before(self, session: SfSession, staged: Staged, order: PublishOrder, good: str) -> None:
        """What is DDL, and so can't be in the transaction: a stage for files, tables to work in."""
        there = {c.name.casefold(): c for c in self._describe(session, order.table) or ()}
        columns = [there[name.casefold()] for name in staged.schema.names]
        self._rows = ""
        if is_here(staged):
            listed = ", ".join(
                f"CAST({quote(given)} AS {c.spelled}) AS {sf_ident(c.name)}"
                for c, given in zip(columns, staged.schema.names, strict=True)
            )
            relation = f"(SELECT {listed} FROM ({good}) AS _good)"
        elif order.mode in ("append", "replace"):
            session.stage()
            relation = "unused"  # they go into the table itself
        else:
            session.stage()
            relation = self._rows = sf_relation(SYSTEM_SCHEMA, f"rows_{uuid.uuid4().hex}")
            listed = ", ".join(f"{sf_ident(c.name)} {c.spelled}" for c in columns)
            session.execute(f"CREATE TRANSIENT TABLE {relation} ({listed}) DATA_RETENTION_TIME_IN_DAYS = 0")
        self._relation, self._targets = relation, columns
        names = [c.name for c in columns]
        self._plan = load(self.dialect, self._parts(order.table), relation, names, order)
        for sql in self._plan.before:
            session.execute(sql)
        if staged.quarantined is not None and not is_here(staged):
            session.stage()

    def _forget(self, session: Session) -> None:
        """Working tables of a publish that is over."""
        if self._rows and not session.lost:
            session.execute(f"DROP TABLE IF EXISTS {self._rows}")
        self._rows = ""

    def _load(
        self, session: Session, con: duckdb.DuckDBPyConnection, staged: Staged, order: PublishOrder, good: str
    ) -> int:
        plan = self._plan
        if plan is None:
            raise TypeError("a publish that was not begun")
        if is_here(staged):
            taken = int(session.rows(f"SELECT count(*) FROM {self._relation} AS _rows")[0][0])
            self._counted(taken, staged, order)
        else:
            target = self.dialect.relation(*self._parts(order.table))
            values = ", ".join(
                f"{c.encoded.format(duck_ident(given))} AS {duck_ident(c.name)}"
                for c, given in zip(self._targets, staged.schema.names, strict=True)
            )
            if not self._rows:
                for sql in plan.statements[:-1]:
                    session.execute(sql)
            rows = f"SELECT {values} FROM ({good}) AS _good"
            self._counted(_ours(session).load(self._rows or target, con, rows, self._folder), staged, order)
            if not self._rows:
                return 0
        return carried_out(plan, session, order)

    def _quarantine(
        self, session: Session, con: duckdb.DuckDBPyConnection, staged: Staged, order: PublishOrder, bad: str
    ) -> None:
        if is_here(staged):
            listed = ", ".join(f"{quote(name)} AS {sf_ident(name)}" for name in QUARANTINE_COLUMNS)
            rows = f"SELECT {listed} FROM ({bad}) AS _bad"
            session.execute(ledger.write_quarantine(self.dialect, self._place, rows))
            return
        values = ", ".join(
            f"CAST({duck_ident(name)} AS {type_}) AS {duck_ident(name)}"
            for name, type_ in QUARANTINE_COLUMNS.items()
        )
        target = self.dialect.relation(*self._place("quarantine"))
        taken = _ours(session).load(target, con, f"SELECT {values} FROM ({bad}) AS _bad", self._folder)
        if taken < staged.quarantined_rows:  # rejects of the sources come on top
            raise DestinationError(
                f"{order.table}: of {staged.quarantined_rows} rows to quarantine Snowflake took {taken}",
                hint="nothing was published; run it again",
            )

    # locks ------------------------------------------------------------------------------------------

    @contextmanager
    def _leased(self, name: str, timeout: float, holder: str) -> Iterator[Lease]:
        with self._errors(name):
            session = SfSession(self.server, f"sluiceway: lock of {holder}")
        try:
            with self._errors(name):
                self._create_namespace(session, SYSTEM_SCHEMA)
                lease = Lease(session, name, holder, self.config.lock_lease)
                lease.take(timeout)
            try:
                yield lease
            finally:
                lease.release()
        finally:
            session.close()

    @contextmanager
    def lock(self, name: str, timeout: float, holder: str) -> Iterator[None]:
        """A lease; see ``sflease``. Every COMMIT within asks whether it still holds."""
        with self._leased(name, timeout, holder) as lease:
            self._leases.append(lease)
            try:
                yield
            finally:
                self._leases.remove(lease)

    def dataset(self, table: TableName) -> tuple[str, str]:
        names = ".".join((self.server.database, stored(table.namespace), stored(table.name)))
        return f"snowflake://{self.server.account}", names


def _ours(session: Session) -> SfSession:
    if not isinstance(session, SfSession):
        raise TypeError("a session of another system")
    return session


def _written(column: SfColumn) -> str:
    """The type in which DuckDB writes a column: what Snowflake would cut off is an error here."""
    return "VARCHAR" if column.type == "JSON" else column.type
