"""BigQuery as a warehouse: a namespace is a dataset, ``_sluiceway`` one beside them.

Rows go by a Parquet load job into a working table, and from there, with state, quarantine and receipt, into
the destination by one script in one transaction (see ``bqscript``). A transaction takes no DDL there, so
tables are made and widened before it, and made undone where it fails. The tables: see ``bqtables``.
"""

from __future__ import annotations

import uuid
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Literal

from sluiceway.connectors import ledger
from sluiceway.connectors.bqlease import LOST
from sluiceway.connectors.bqrows import fill, staged_rows
from sluiceway.connectors.bqscript import again_on_conflict, check_of, publish_script, transaction
from sluiceway.connectors.bqtables import BigQueryTables
from sluiceway.connectors.bqtypes import BqColumn, bq_type, cast_type
from sluiceway.connectors.loading import Load, check_kept, check_order, load
from sluiceway.errors import DestinationError, RunError
from sluiceway.exchange import QUARANTINE_COLUMNS, PublishOrder, Receipt, Staged, Verdict

__all__ = ["BigQuerySink"]

_FENCE_SECONDS = 600.0


class BigQuerySink(BigQueryTables):
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
        check_kept("BigQuery", refused, staged, order)

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
        with staged_rows(staged, self._folder) as (con, good, turned):
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

    def _drop(self, place: tuple[str, ...]) -> None:
        with self._errors("a working table"):
            self.server.drop(place)

    # the rest -----------------------------------------------------------------------------------------

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
