"""BigQuery as a warehouse: a namespace is a dataset, ``_sluiceway`` one beside them.

Rows go by a Parquet load job into a working table, and from there, with state, quarantine and receipt, into
the destination by one script in one transaction (see ``bqscript``). A transaction takes no DDL there, so
tables are made and widened before it, and made undone where it fails. Locks are leases (see ``bqlease``).
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from sluiceway.connectors import ledger
from sluiceway.connectors.bqclient import BqServer, bq_errors
from sluiceway.connectors.bqdialect import BIGQUERY
from sluiceway.connectors.bqlease import LOST, Leases
from sluiceway.connectors.bqplace import BigQueryPlace
from sluiceway.connectors.bqrows import fill, parquet_of, quarantine_of, staged_rows
from sluiceway.connectors.bqscript import again_on_conflict, check_of, publish_script, transaction
from sluiceway.connectors.bqtypes import BqColumn, bq_type, cast_type, unsupported
from sluiceway.connectors.database import Database, Session, TargetColumn
from sluiceway.connectors.loading import Load, check_order, load
from sluiceway.duck import open_duckdb
from sluiceway.errors import DestinationError, RunError
from sluiceway.exchange import QUARANTINE_COLUMNS, SYSTEM_SCHEMA, PublishOrder, Receipt, Staged, Verdict
from sluiceway.schema import Schema, TableName

if TYPE_CHECKING:
    import duckdb

    from sluiceway.connectors.base import ConnectorContext
    from sluiceway.engines.base import Engine

__all__ = ["WORK_SCHEMA", "BigQuerySink"]

WORK_SCHEMA = "_sluiceway_work"
_WORK_DAYS = 2
"""After so many days what a killed run left there is gone by itself."""
_FENCE_SECONDS = 600.0


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


class BigQuerySink(Database):
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
            again_on_conflict(lambda sql=sql: session.execute(sql))  # type: ignore[misc]

    def _create_work(self) -> str:
        if not self._worked:
            self.server.make_dataset(WORK_SCHEMA, days=_WORK_DAYS)
            self._worked = True
        return WORK_SCHEMA

    # publish ------------------------------------------------------------------------------------------

    def publish(self, verdict: Verdict, staged: Staged, order: PublishOrder) -> Receipt:
        check_order(verdict, staged, order)
        self._check_names(order.table)
        self._check_kept(staged, order)
        session = self._session()
        with ExitStack() as stack:
            with self._errors(str(order.table)):
                self._create_system(session)
            if not self.leases.held:
                holder = f"run {order.run_id} of {order.pipeline}"
                stack.enter_context(self.lock(f"publish {order.table}", _FENCE_SECONDS, holder))
            with self._errors(str(order.table)):
                done = self._receipt(order.run_id)
                if done is not None:
                    return done
                before = self.server.columns(*self._parts(order.table))
            try:
                with self._errors(str(order.table)):
                    self._prepare_table(session, staged.schema, order)
                return self._publish(staged, order, stack)
            except BaseException as error:  # also an interrupt: what DDL made must not stay behind
                if not isinstance(error, RunError) or not error.details.get("ambiguous"):
                    self._undo_ddl(order, before)
                raise

    def _check_kept(self, staged: Staged, order: PublishOrder) -> None:
        refused = self.unsupported(staged.schema)
        if order.mode == "scd2":  # versions are compared, and JSON can't be
            refused |= {
                c.name: "cast it to VARCHAR: scd2 compares values"
                for c in staged.schema
                if bq_type(c.type) == "JSON"
            }
        if refused:
            column, hint = next(iter(refused.items()))
            raise DestinationError(
                f"{order.table}: BigQuery can't keep column '{column}' ({staged.schema[column].type})",
                hint=hint,
                details={"final": True},
            )

    def _publish(self, staged: Staged, order: PublishOrder, stack: ExitStack) -> Receipt:
        now = datetime.now(UTC)
        with self._errors(str(order.table)):
            good, bad = self._staging(staged, order, stack)
            if staged.confirm is not None:
                staged.confirm()
            columns = {c.name.casefold(): c for c in self._bq_columns(order.table)}
            names = [columns[name.casefold()].name for name in staged.schema.names]
            plan = load(self.dialect, self._parts(order.table), good, names, order)
            before = self.server.rows(ledger.select_state(self.dialect, self._place, order.pipeline))
            receipt = ledger.new_receipt(staged, order, now)
            undo = ledger.undo_json((ledger.cursor_of(row) for row in before), order.replays)
            work = [
                *([ledger.write_quarantine(self.dialect, self._place, bad)] if bad else []),
                *ledger.write_replays(self.dialect, self._place, order.replays),
                *ledger.write_state(
                    self.dialect, self._place, order.pipeline, order.cursors, order.run_id, now
                ),
                ledger.write_receipt(self.dialect, self._place, receipt, undo, late="sluiceway_late"),
            ]
            fences = [line for lease in self.leases.held.values() for line in lease.fence()]
            script = publish_script(
                self.dialect.relation(*self._place("receipts")), self.dialect.literal(order.run_id),
                plan, work, fences,
            )  # fmt: skip
        self._commit(script, plan, order)
        with self._errors(str(order.table)):
            done = self._receipt(order.run_id)
        if done is None:
            raise DestinationError(
                f"{order.table}: BigQuery ended the publish of run {order.run_id} and shows no receipt",
                details={"ambiguous": True},
            )
        return done

    def _commit(self, script: str, plan: Load, order: PublishOrder) -> None:
        from google.api_core.exceptions import GoogleAPICallError

        sent: list[str] = []

        def once() -> None:
            sent.append(f"sluiceway_publish_{uuid.uuid4().hex}")
            self.server.wait(self.server.start(script, job_id=sent[-1]))

        try:
            with self._errors(str(order.table)):
                try:
                    again_on_conflict(once)
                except GoogleAPICallError as error:
                    stopped = check_of(str(error))
                    if stopped is not None:
                        plan.checks[stopped[0]].enforce(stopped[1], str(order.table))
                    if LOST in str(error):
                        raise DestinationError(
                            f"{order.table}: run {order.run_id} lost its lock, so nothing was published",
                            hint="run it again; raise lock_lease where the process was suspended",
                        ) from error
                    raise
        except DestinationError as error:
            if not error.details.get("connection") or not self._known(order, sent[-1], error):
                raise

    def _known(self, order: PublishOrder, job_id: str, cause: DestinationError) -> bool:
        """After an answer that got lost: was it published? The script goes on without us."""
        try:
            with self._errors(str(order.table)):
                self.server.ended(job_id)
                return self._receipt(order.run_id) is not None
        except DestinationError:
            raise DestinationError(
                f"{order.table}: the connection was lost during the publish of run {order.run_id}, and "
                "BigQuery can't be asked whether it was published",
                hint="run the pipeline again once it is back: it reads the receipt first",
                details={"ambiguous": True},
            ) from cause

    def _receipt(self, run_id: str) -> Receipt | None:
        found = self.server.rows(ledger.select_receipts(self.dialect, self._place, run_id=run_id))
        return ledger.receipt_of(found[0]) if found else None

    def _undo_ddl(self, order: PublishOrder, before: list[BqColumn] | None) -> None:
        """The table as it was; a type that was widened can't be narrowed again and stays. Whoever lost the
        lock touches nothing: another run may have published into what was made here."""
        with self._errors(str(order.table)):
            name = self.dialect.relation(*self._parts(order.table))
            there = self._bq_columns(order.table)
            if not there or not all(lease.ours() for lease in self.leases.held.values()):
                return
            if before is None:
                if self.server.rows(f"SELECT count(*) FROM {name}")[0][0] == 0:
                    self.server.run(f"DROP TABLE {name}")
                return
            were = {column.name for column in before}
            for column in (self.dialect.ident(c.name) for c in there if c.name not in were):
                if self.server.rows(f"SELECT count({column}) FROM {name}")[0][0] == 0:
                    self.server.run(f"ALTER TABLE {name} DROP COLUMN {column}")

    def _staging(self, staged: Staged, order: PublishOrder, stack: ExitStack) -> tuple[str, str | None]:
        """What stands in FROM for the good rows, and a SELECT of the quarantined ones."""
        if staged.engine is not None and staged.engine.name == "warehouse":
            return self._in_place(staged, order), staged.quarantined
        work, made = self._create_work(), uuid.uuid4().hex
        bad = None
        with self._rows(staged) as (con, good, turned):
            types = [(c.name, c.type) for c in staged.schema]
            place = (self.server.project, work, f"p{made}_good")
            stack.callback(self._drop, place)
            rows, taken = fill(self.server, con, good, types, place, self._folder)
            self._counted(taken, staged, order)
            if turned is not None:
                place = (self.server.project, work, f"p{made}_bad")
                stack.callback(self._drop, place)
                bad, taken = fill(
                    self.server, con, turned, list(QUARANTINE_COLUMNS.items()), place, self._folder
                )
                if taken < staged.quarantined_rows:  # rejects of the sources come on top
                    raise DestinationError(
                        f"{order.table}: {staged.quarantined_rows} rows to quarantine, BigQuery took {taken}",
                        hint="nothing was published; run it again",
                    )
        return f"({rows})", bad

    def _in_place(self, staged: Staged, order: PublishOrder) -> str:
        """Rows that were staged here never leave."""
        there = {c.name.casefold(): c for c in self._bq_columns(order.table)}
        listed = []
        for column in staged.schema:
            target, name = there[column.name.casefold()], self.dialect.ident(column.name)
            kind = cast_type(target.spelled)
            same = cast_type(bq_type(column.type) or "") == kind
            value = name if same else f"CAST({name} AS {kind})"
            listed.append(f"{value} AS {self.dialect.ident(target.name)}")
        rows = f"(SELECT {', '.join(listed)} FROM ({staged.good}) AS _good)"
        self._counted(int(self.server.rows(f"SELECT count(*) FROM {rows} AS _rows")[0][0]), staged, order)
        return rows

    def _counted(self, taken: int, staged: Staged, order: PublishOrder) -> None:
        if taken != staged.published:
            raise DestinationError(
                f"{order.table}: {staged.published} rows were to be published, BigQuery took {taken}",
                hint="nothing was published; run it again",
            )

    @contextmanager
    def _rows(self, staged: Staged) -> Iterator[tuple[duckdb.DuckDBPyConnection, str, str | None]]:
        with staged_rows(staged, self._folder) as found:
            yield found

    def _drop(self, place: tuple[str, ...]) -> None:
        with self._errors("a working table"):
            self.server.drop(place)

    # the rest -----------------------------------------------------------------------------------------

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

    def settle(self, quarantine_ids: tuple[str, ...], status: Literal["replayed", "discarded"]) -> int:
        with self._errors("the quarantine"):
            if not quarantine_ids or not self._has_system(self._session()):
                return 0
            lines = [
                line
                for count, update in ledger.mark_quarantine(self.dialect, self._place, quarantine_ids, status)
                for line in (f"SET sluiceway_count = sluiceway_count + ({count});", f"{update};")
            ]
            script = transaction(["DECLARE sluiceway_count INT64 DEFAULT 0;"], lines, "sluiceway_count")
            return int(again_on_conflict(lambda: self.server.rows(script))[0][0])

    def rollback(self, run_id: str, *, new_run_id: str, force: bool, keep_cursor: bool) -> Receipt:
        raise DestinationError(
            f"a BigQuery warehouse keeps no snapshot of run {run_id} that could be brought back here",
            hint="use a ducklake warehouse, or BigQuery's own time travel: FOR SYSTEM_TIME AS OF",
            details={"final": True},
        )

    def close(self) -> None:
        super().close()
        self.server.close()
