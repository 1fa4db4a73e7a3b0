"""How rows are published to PostgreSQL and MySQL: in one transaction, by the system's bulk loader.

The rows are encoded by DuckDB (the engine's, or one of ours) and streamed into the loader (``pipe``);
everything else is statements of ``loading`` and ``ledger`` on the same session.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from sluiceway.connectors import ledger
from sluiceway.connectors.database import Database, Session
from sluiceway.connectors.loading import Load, check_kept, check_order, load
from sluiceway.duck import ident as duck_ident
from sluiceway.duck import literal, open_duckdb, take_rows
from sluiceway.errors import DestinationError
from sluiceway.exchange import QUARANTINE_COLUMNS, SYSTEM_SCHEMA, PublishOrder, Receipt, Staged, Verdict
from sluiceway.schema import TableName

if TYPE_CHECKING:
    import duckdb

__all__ = ["DatabaseSink", "carried_out", "give_up", "is_here"]

_ROWS = "_sluiceway_rows"
_ASK_AGAIN = 10.0
"""Seconds in which a server that went away at COMMIT is asked for the receipt."""


class DatabaseSink(Database):
    """The base of a Sink. A subclass gives its session, its types and its bulk load."""

    # what a subclass gives --------------------------------------------------------------------------

    def _temporary(
        self, session: Session, columns: Sequence[tuple[str, str]], key: Sequence[str]
    ) -> tuple[str, ...]:
        """Make the temporary table of staged rows, found by ``key``; the parts of its name."""
        raise NotImplementedError

    def _prefixes(self, columns: Sequence[tuple[str, str]], key: Sequence[str]) -> list[str]:
        """How much of each column an index over the key takes; none where the server needs no index."""
        return []

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

    @contextmanager
    def _encoder(self, con: duckdb.DuckDBPyConnection, staged: Staged) -> Iterator[duckdb.DuckDBPyConnection]:
        """The DuckDB that encodes the good rows."""
        yield con

    # publish ----------------------------------------------------------------------------------------

    def publish(self, verdict: Verdict, staged: Staged, order: PublishOrder) -> Receipt:
        check_order(verdict, staged, order)
        self._check_names(order.table)
        check_kept(self.system, self.unsupported(staged.schema), staged, order)
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
            give_up(session)
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
        with self._encoder(con, staged) as encoder:
            late = self._load(session, encoder, staged, order, good)
            if bad is not None:  # quarantined_rows counts the gate's alone: sources turn rows away, too
                # of a staging they may lie in tables of the engine
                of = con if staged.confirm is None else encoder
                self._quarantine(session, of, staged, order, bad)
        if staged.confirm is not None:
            staged.confirm()
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
                give_up(session)
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
        if is_here(staged):
            yield staged.engine.local.connection, staged.good, staged.quarantined
            return
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
        text = self._type("VARCHAR", key=False)
        spelled = [(c.name, c.spelled if c.direct else c.carried or text) for c in columns]
        temporary = self._temporary(session, spelled, order.key)
        self._counted(self._copy(session, con, temporary, names, rows), staged, order)
        self._settle_temporary(session, temporary)
        restored = ", ".join(
            f"{c.restored.format(self.dialect.ident(c.name))} AS {self.dialect.ident(c.name)}"
            for c in columns
        )
        relation_of = self.dialect.relation(*temporary)
        if not all(c.direct for c in columns):
            relation_of = f"(SELECT {restored} FROM {relation_of} AS _text)"
        plan = load(
            self.dialect, target, relation_of, names, order,
            prefixes=self._prefixes([(c.name, c.spelled) for c in columns], order.key),
        )  # fmt: skip
        return carried_out(plan, session, order)

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
                give_up(session)
                raise
        return changed

    def rollback(self, run_id: str, *, new_run_id: str, force: bool, keep_cursor: bool) -> Receipt:
        raise DestinationError(
            f"a {self.system} warehouse keeps no snapshots, so run {run_id} can't be rolled back",
            hint="use a ducklake warehouse, or load again with run --full-refresh",
            details={"final": True},
        )


def give_up(session: Session) -> None:
    """Roll back; on a lost connection the server does."""
    if not session.lost:
        session.rollback()


def _copied(con: duckdb.DuckDBPyConnection, staged: Staged, name: str, sql: str) -> str:
    """Rows of another engine, by Arrow, in a table of ours (a pipe's cursor sees no temporary ones)."""
    take_rows(con, staged.engine.batches(sql, 100_000), f"_sluiceway_{name}", temporary=False)
    return f"SELECT * FROM _sluiceway_{name}"


def is_here(staged: Staged) -> bool:
    """The rows lie in the warehouse itself: ``engine: warehouse`` staged them."""
    return staged.engine is not None and staged.engine.name == "warehouse"


def carried_out(plan: Load, session: Session, order: PublishOrder) -> int:
    return plan.carry_out(session.execute, lambda sql: int(session.rows(sql)[0][0]), str(order.table))
