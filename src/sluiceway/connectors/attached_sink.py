"""Publishing into what DuckDB attaches: one publish is one transaction of that connection; ``loading`` and
``ledger`` give its statements."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, TypeVar

from sluiceway.connectors import ledger
from sluiceway.connectors.attached import Attached, duckdb_errors, first_line
from sluiceway.connectors.loading import DUCKDB, check_kept, check_order, load
from sluiceway.duck import ident, relation, take_rows
from sluiceway.errors import DestinationError, machine_error
from sluiceway.exchange import SYSTEM_SCHEMA, PublishOrder, Receipt, Scd2, Staged, Verdict
from sluiceway.schema import Schema, TableName

if TYPE_CHECKING:
    import duckdb


__all__ = ["AttachedSink"]

T = TypeVar("T")
_AGAIN = "run again once the cause is gone"
_TRIES = 20


class AttachedSink(Attached):
    """The base of a Sink. A subclass says how to attach, and what its system can't do."""

    _fresh = True

    # what a subclass gives

    def _retryable(self, error: duckdb.Error) -> bool:
        """True where the whole transaction may be tried again."""
        return False

    def _insert(self, con: duckdb.DuckDBPyConnection, staged: Staged, order: PublishOrder) -> bool:
        """A faster way for append and replace than INSERT … SELECT; False where there is none."""
        return False

    def _snapshot_next(self, con: duckdb.DuckDBPyConnection) -> str | None:
        return None

    def _committed(self, con: duckdb.DuckDBPyConnection, receipt: Receipt) -> Receipt:
        """After the COMMIT of a new receipt."""
        return receipt

    def _discard(self) -> None:
        """After a transaction that surely failed: remove what was laid beside the database."""

    def _reads(self, con: duckdb.DuckDBPyConnection, table: TableName) -> Mapping[str, str]:
        """Columns that are stored as another type than they are read as."""
        return {}

    # Sink

    def settle(self, quarantine_ids: tuple[str, ...], status: Literal["replayed", "discarded"]) -> int:
        def work(con: duckdb.DuckDBPyConnection) -> int:
            changed = 0
            for count, update in ledger.mark_quarantine(DUCKDB, self._place, quarantine_ids, status):
                changed += _number(con, count)
                con.execute(update)
            return changed

        with self._attached(write=True) as con:
            if not quarantine_ids or not self._has_system(con):
                return 0
            return self._transact("settle quarantine", work)

    def publish(self, verdict: Verdict, staged: Staged, order: PublishOrder) -> Receipt:
        check_order(verdict, staged, order)
        check_kept(self.system, self.unsupported(staged.schema), staged, order)
        with self._attached(write=True) as con, self._staging(con, staged) as (good, bad):
            return self._transact(
                f"run {order.run_id} of {order.pipeline}",
                lambda con: self._publish(con, staged, order, good, bad),
                setup=self._create_system,
            )

    def _publish(
        self,
        con: duckdb.DuckDBPyConnection,
        staged: Staged,
        order: PublishOrder,
        good: str,
        bad: str | None,
    ) -> Receipt:
        """Inside the transaction, under the writer lock."""
        done = con.execute(ledger.select_receipts(DUCKDB, self._place, run_id=order.run_id)).fetchall()
        self._fresh = not done
        if done:
            return ledger.receipt_of(done[0])
        now = datetime.now(UTC)
        self._prepare_table(con, staged.schema, order)
        late = self._load(con, staged, order, good)
        if bad is not None:
            con.execute(ledger.write_quarantine(DUCKDB, self._place, bad))
        before = con.execute(ledger.select_state(DUCKDB, self._place, order.pipeline)).fetchall()
        statements = (
            *ledger.write_replays(DUCKDB, self._place, order.replays),
            *ledger.write_state(DUCKDB, self._place, order.pipeline, order.cursors, order.run_id, now),
        )
        receipt = ledger.new_receipt(staged, order, now, late=late, snapshot=self._snapshot_next(con))
        undo = ledger.undo_json((ledger.cursor_of(row) for row in before), order.replays)
        for sql in (*statements, ledger.write_receipt(DUCKDB, self._place, receipt, undo)):
            con.execute(sql)
        self._annotate(con, order)
        return receipt

    def _annotate(self, con: duckdb.DuckDBPyConnection, order: PublishOrder) -> None:
        """Say in the database's own history who wrote."""

    def _load(self, con: duckdb.DuckDBPyConnection, staged: Staged, order: PublishOrder, good: str) -> int:
        plan = load(
            DUCKDB, self._parts(order.table), good, staged.schema.names, order,
            reads=self._reads(con, order.table),
        )  # fmt: skip
        late = plan.ready(con.execute, lambda sql: _number(con, sql), str(order.table))
        statements = plan.statements
        if order.mode in ("append", "replace") and self._insert(con, staged, order):
            statements = ()  # the DELETE of replace was its part too
        for sql in statements:
            con.execute(sql)
        return late

    def _prepare_table(self, con: duckdb.DuckDBPyConnection, schema: Schema, order: PublishOrder) -> None:
        there = self._describe(con, order.table)
        if there is None:
            columns = [(c.name, c.type) for c in schema]
            if order.mode == "scd2":
                options = order.scd2 or Scd2()
                columns += [(options.valid_from, "TIMESTAMP"), (options.valid_to, "TIMESTAMP")]
            self._create_schema(con, order.table.namespace)
            self._create_table(con, order.table, columns)
            return
        if order.mode == "scd2":
            _need_intervals(there, order)
        for name, type_ in order.add_columns.items():
            if name not in there:
                self._add_column(con, order.table, name, type_)
        for name, type_ in order.widen_columns.items():
            self._widen_column(con, order.table, name, type_)
        known = self._describe(con, order.table) or there
        missing = [c for c in schema.names if c not in known]
        if missing:
            raise DestinationError(
                f"{order.table} has no column '{missing[0]}'",
                hint="allow it with schema_contract: {columns: evolve}, or drop it in the transform",
            )

    def _create_table(
        self, con: duckdb.DuckDBPyConnection, table: TableName, columns: Sequence[tuple[str, str]]
    ) -> None:
        listed = ", ".join(f"{ident(name)} {type_}" for name, type_ in columns)
        con.execute(f"CREATE TABLE {relation(*self._parts(table))} ({listed})")

    def _add_column(self, con: duckdb.DuckDBPyConnection, table: TableName, name: str, type_: str) -> None:
        con.execute(f"ALTER TABLE {relation(*self._parts(table))} ADD COLUMN {ident(name)} {type_}")

    def _widen_column(self, con: duckdb.DuckDBPyConnection, table: TableName, name: str, type_: str) -> None:
        con.execute(
            f"ALTER TABLE {relation(*self._parts(table))} ALTER COLUMN {ident(name)} SET DATA TYPE {type_}"
        )

    def _create_system(self, con: duckdb.DuckDBPyConnection) -> None:
        """The ``_sluiceway`` tables, once; before the transaction and under the writer lock."""
        if self._has_system(con):
            return
        con.execute("BEGIN TRANSACTION")
        self._create_schema(con, SYSTEM_SCHEMA)
        for sql in ledger.create_tables(DUCKDB, self._place):
            con.execute(sql)
        con.execute("COMMIT")

    @contextmanager
    def _staging(self, con: duckdb.DuckDBPyConnection, staged: Staged) -> Iterator[tuple[str, str | None]]:
        """Good and quarantined rows as relations of ``con``, whatever engine staged them."""
        if staged.engine is not None and getattr(staged.engine, "connection", None) is con:
            yield f"({staged.good})", staged.quarantined
            return
        made = []
        with duckdb_errors("the staged rows can't be read"):
            good = None
            if staged.files:
                names = ", ".join(ident(c) for c in staged.schema.names)
                paths = ", ".join(DUCKDB.literal(str(f)) for f in staged.files)
                good = f"(SELECT {names} FROM read_parquet([{paths}], hive_partitioning = false))"
            for name, sql in (("good", None if good else staged.good), ("bad", staged.quarantined)):
                if sql is not None:
                    made.append(f"_sluiceway_{name}")
                    take_rows(con, staged.engine.batches(sql, 100_000), made[-1], temporary=True)
        try:
            yield (
                good or relation("temp", "_sluiceway_good"),
                "FROM temp._sluiceway_bad" if staged.quarantined else None,
            )
        finally:
            for name in made:
                con.execute(f"DROP TABLE IF EXISTS {relation('temp', name)}")

    def _transact(
        self,
        holder: str,
        work: Callable[[duckdb.DuckDBPyConnection], T],
        setup: Callable[[duckdb.DuckDBPyConnection], None] | None = None,
    ) -> T:
        """``work`` in one transaction under the writer lock; the whole of it again where that helps.

        ``work`` must read the receipt first: a COMMIT whose answer got lost may have happened.
        """
        import duckdb

        with self._writer(holder):
            for left in reversed(range(_TRIES)):
                try:
                    return self._attempt(work, setup)
                except duckdb.Error as error:
                    if not left or not self._retryable(error):
                        full = "No space left" in str(error)
                        raise DestinationError(
                            f"{self.system}: {holder} could not write: {first_line(error)}",
                            hint="nothing was published; "
                            + ("free some disk, then run it again" if full else _AGAIN),
                        ) from error
                    self._discard()
                    # a writer who is not ours holds no lock that we could wait for
                    time.sleep(random.uniform(0.01, 0.1))  # noqa: S311 spreads writers, guards nothing
                except OSError as error:  # a staged file that could not be handed over
                    told = machine_error(error)
                    raise DestinationError(
                        f"{self.system}: {holder} could not write: {told.message if told else error}",
                        hint=f"nothing was published; {told.hint if told else _AGAIN}",
                    ) from error
        raise AssertionError("unreachable")

    def _attempt(
        self,
        work: Callable[[duckdb.DuckDBPyConnection], T],
        setup: Callable[[duckdb.DuckDBPyConnection], None] | None,
    ) -> T:
        con = self._con
        sent = False
        self._fresh = True
        try:
            if setup is not None:
                setup(con)
            con.execute("BEGIN TRANSACTION")
            result = work(con)
            sent = True
            con.execute("COMMIT")
        except BaseException:  # an interrupt too: never leave a transaction open
            _rollback(con)
            if not sent:  # after a COMMIT was sent nobody knows what an interrupt cut off
                self._discard()
            raise
        if isinstance(result, Receipt) and self._fresh:
            return self._committed(con, result)  # type: ignore[return-value]  # T is Receipt here
        return result

    def rollback(self, run_id: str, *, new_run_id: str, force: bool, keep_cursor: bool) -> Receipt:
        raise DestinationError(
            f"a {self.system} warehouse keeps no snapshots, so run {run_id} can't be rolled back",
            hint="use a ducklake warehouse, or load again with run --full-refresh",
        )


def _number(con: duckdb.DuckDBPyConnection, sql: str) -> int:
    return int(con.execute(sql).fetchall()[0][0])


def _rollback(con: duckdb.DuckDBPyConnection) -> None:
    import duckdb

    try:
        con.execute("ROLLBACK")
    except duckdb.Error:  # nothing was begun, or the failed COMMIT ended it
        return


def _need_intervals(there: Schema, order: PublishOrder) -> None:
    options = order.scd2 or Scd2()
    for name in (options.valid_from, options.valid_to):
        if name not in there:
            raise DestinationError(
                f"{order.table} has no column '{name}', so it can't be loaded with scd2",
                hint="load into a new table, or keep the mode that the table was made with",
            )
