"""One run, from lock to receipt: settle what was interrupted, try, judge, publish, tell the world."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from sluiceway.errors import (
    CancelledError,
    ConfigError,
    DataQualityError,
    DataValidationError,
    DestinationError,
    FencedError,
    GateError,
    LockTimeoutError,
    RunError,
    SluicewayError,
    SourceError,
    machine_error,
)
from sluiceway.events import EventBus
from sluiceway.exchange import PublishOrder, Verdict
from sluiceway.ids import new_run_id
from sluiceway.plan.build import names_read
from sluiceway.plan.nodes import AuditGate, AuditSource, Extract, Plan, Publish, PythonStep, Stage, Transform
from sluiceway.run.aftermath import acknowledge
from sluiceway.run.execute import Execution, Judged
from sluiceway.run.fetched import Fetched, strip
from sluiceway.run.gate import decide, shortened
from sluiceway.run.inplace import handing_over
from sluiceway.run.limit import TooLong, interrupt_of, limited
from sluiceway.run.listeners import listen
from sluiceway.run.resolve import Resolved, resolved
from sluiceway.run.settle import settle
from sluiceway.run.telling import Progress, Telling
from sluiceway.run.ticket import Ticket, backoff
from sluiceway.secrets import redact
from sluiceway.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sluiceway.run.result import RunResult
    from sluiceway.spec.model import Pipeline

__all__ = ["run"]

log = logging.getLogger("sluiceway.run")
_PLANS = 3
"""Of one try: the table may get its columns while runs beside this one begin it."""


def run(
    pipeline: Pipeline,
    *,
    full_refresh: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
    bus: EventBus | None = None,
    replays: tuple[str, ...] = (),
    count_reads: bool = False,
    at: datetime | None = None,
    kind: str | None = None,
    ticket: Ticket | None = None,
) -> RunResult:
    """Run a pipeline once and say how it went; a failed or blocked run is a result, not an exception.

    Args:
        full_refresh: forget the cursors and rebuild the table (append and merge become replace).
        dry_run: everything but the publish; the destination and its state stay as they are.
        progress: called with every event.
        count_reads: spool every source, so that ``records.read`` is known.
        replays: quarantine ids that this run reads; they are settled by its publish.
        at: the moment that this run stands for, such as the end of a backfill's interval: the clock of
            rules and SQL, and the time of its metrics. When it began, if absent. A naive time is UTC.
        kind: what the store calls it: run, check or replay if absent.
        ticket: the orchestrator's.

    Raises:
        ConfigError: what the user wrote can't be used; nothing was run.
    """
    moment = at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at
    made = _Run(
        pipeline, full_refresh, dry_run, progress, bus or EventBus(), replays, count_reads, moment, kind,
        ticket or Ticket(new_run_id(), retries=True),
    )  # fmt: skip
    return made.go()


class _MovedError(Exception):
    """The table is not the one that the plan was made for."""


@dataclass
class _Run(Telling):
    # life -------------------------------------------------------------------------------------------

    def go(self) -> RunResult:
        with Store.open(self.pipeline.project.metadata) as store:
            self.store = store
            self._listen()
            try:
                with limited(self.pipeline.timeout):
                    self._attempts()
            except ConfigError:
                self._fail_if_begun()
                raise
            except KeyboardInterrupt as stop:
                self._halt(stop)
            except Exception as bug:  # a bug of ours: it is shown with its trace, but the run has an end
                stopped = interrupt_of(bug)
                if stopped is None:
                    self._end("failed", RunError(f"{type(bug).__name__}: {bug}"))
                    raise
                self._halt(stopped)
            finally:
                self._over()
        return self.result

    def _over(self) -> None:
        """The status is settled, the locks are given back, and no timeout of the run counts any more."""
        if not self.keep_staging and not self.stripped:
            self._put_away(partial(shutil.rmtree, ignore_errors=True))
        before = dict(self.bus.failures)
        self.result.notes += () if self.opened is None else self.opened.over()  # they ended before this one
        self.result.notes += self.bus.over()
        if self.bus.failures != before:
            self.store.record_failures(self.run_id, self.bus.failures)

    def _halt(self, stop: KeyboardInterrupt) -> None:
        """Told to stop, or out of time: the one goes on to whoever told us, the other is how it ended."""
        if isinstance(stop, TooLong):
            self._end("failed", stop.error)
            return
        self._end("cancelled", CancelledError("the run was told to stop"))
        raise stop

    def _listen(self) -> None:
        self.bus.listen("store", self.store.record_event)
        if self.progress is not None:
            self.bus.listen("progress", self.progress)
        listen(self.bus, self.pipeline.project)

    def _attempts(self) -> None:
        last = self.pipeline.retry.attempts if self.ticket.retries else self.ticket.attempt
        for attempt in range(self.ticket.attempt, last + 1):
            self.attempt = attempt
            self.again, self.stripped = self.ticket.more or attempt < last, False
            try:
                self._planned_anew()
            except GateError as error:
                self._end("blocked", error)
                return
            except FencedError as error:  # what is written of the run is another's to write
                self.result.status, self.result.error = "cancelled", error
                return
            except CancelledError as error:
                self._end("cancelled", error)
                return
            except ConfigError:
                raise
            except OSError as error:
                told = machine_error(error)
                if told is None:
                    raise
                self._end("failed", told)
                return
            except SluicewayError as error:
                wait = self._after(error, last)
                if wait is None:
                    return
                time.sleep(wait)
            else:
                return

    def _after(self, error: SluicewayError, last: int) -> float | None:
        """What follows from an error: seconds until the next try, or None where the run has ended."""
        stop, retry = interrupt_of(error), self.pipeline.retry
        if stop is not None:
            raise stop from error
        transient = isinstance(error, SourceError | DestinationError) and not error.details.get("final")
        if self.ticket.more and (transient or isinstance(error, LockTimeoutError)):
            self._put_away(strip)
            self._not_yet(error)
        elif not transient or self.attempt == last:
            self._end("failed", error)
        else:
            wait = backoff(retry.backoff, retry.delay, self.attempt)
            self._put_away(strip)
            log.warning("attempt %s failed: %s; next in %.1f s", self.attempt, redact(error.message), wait)
            return wait
        return None

    def _put_away(self, how: Callable[[Path], None]) -> None:
        """What the try staged."""
        self.stripped = how is strip
        for folder in () if self.opened is None else {self.opened.staging, self.opened.engine.staging}:
            how(folder)

    def _planned_anew(self) -> None:
        """One try; planned again where another run changed the table's columns on its way."""
        for _ in range(_PLANS):
            try:
                self._attempt()
            except _MovedError:
                log.info("the columns of %s changed meanwhile: planned again", self.result.table)
            else:
                return
        raise DestinationError(
            f"the columns of {self.result.table} changed {_PLANS} times while this run was on its way",
            hint="run it when the others are done",
        )

    def _attempt(self) -> None:
        self.nodes.clear()
        staging = self._staging()
        holder = f"run {self.run_id} of {self.pipeline.name}"
        with resolved(
            self.pipeline,
            started_at=self.moment,
            staging=staging,
            named=names_read(self.pipeline),
            holder=None if self.dry_run else holder,
            lane=self.ticket.lane,
            keep=lambda: self.keep_staging or self.again,
        ) as opened:
            opened.owed += [] if self.opened is None else self.opened.owed  # of an earlier try
            self.opened = opened
            if not self.dry_run:
                begun = settle(self.store, opened, self.run_id)
                if begun is not None:
                    self.started_at = begun
                    opened.started_at = self.moment
                if not self.ticket.retries and self._was_published(opened):
                    return
            self.plan = opened.plan(count_reads=self.count_reads, store=self.store, run_id=self.run_id)
            self._begin(self.plan, opened)
            self._walk(self.plan, opened)
            self.again = False

    def _staging(self) -> Path:
        # beside the project, so that a lake in it takes the files by a rename
        name = self.run_id if self.ticket.retries else f"{self.run_id}.{self.ticket.claim}"
        return self.pipeline.project.folder / ".sluiceway" / "staging" / name

    def _was_published(self, opened: Resolved) -> bool:
        """An earlier try of this run committed, and did not live to say so: then there is nothing to do."""
        for receipt in opened.sink.receipts(run_id=self.run_id)[:1]:
            self.result.status = "succeeded"
            self.result.records.published, self.result.records.late = receipt.published, receipt.late
            self.result.snapshot = receipt.snapshot
            acknowledge(self.store, opened, receipt)
            return True
        return False

    # the walk ---------------------------------------------------------------------------------------

    def _walk(self, plan: Plan, opened: Resolved) -> None:
        execution = Execution(
            self.run_id,
            plan,
            opened,
            self._timer,
            full_refresh=self.full_refresh,
            replayed=frozenset(
                name for name, spec in self.pipeline.sources.items() if spec.connector.name == "quarantine"
            ),
        )
        self.execution = execution
        if not self.dry_run:
            execution.reach.fetched = Fetched(
                opened.engine.local.staging, self.again or not self.ticket.retries
            )
        execution.open_scans()
        audits = {node.source: node for node in plan.select(AuditSource)}
        for extract in plan.select(Extract):
            execution.extract(extract, audits.get(extract.source))
        self._stop_at_source(execution)
        for node in plan.nodes:
            if isinstance(node, Transform | PythonStep):
                execution.transform(node)
        stage = execution.stage(plan.select(Stage)[0])
        gate: AuditGate = plan.select(AuditGate)[0]
        with self._table_lock(opened):
            self.judged = execution.audit_gate(gate, stage)
            verdict = self._verdict(execution, self.judged)
            if verdict.outcome == "block":
                self.keep_staging = not self.dry_run
                if self.keep_staging:
                    execution.keep()
                raise DataQualityError(
                    f"the gate blocked {self.pipeline.name}: {shortened(verdict.reasons)}",
                    hint=f"sluiceway runs show {self.run_id}",
                )
            if not self.dry_run and not (self.replays and self.judged.good_rows == 0):
                self._publish(plan, opened, execution, self.judged, verdict)
        self._end("succeeded", None)

    def _stop_at_source(self, execution: Execution) -> None:
        exceeded = [result for result in execution.results if result.exceeded]
        if exceeded:
            reasons = tuple(f"{r.check.id}: {r.message}" for r in exceeded)
            self.result.verdict = Verdict("block", self.run_id, "", reasons)
            raise DataValidationError(
                f"a source of {self.pipeline.name} was turned away: {shortened(reasons)}",
                hint=f"sluiceway runs show {self.run_id}",
            )

    @contextmanager
    def _table_lock(self, opened: Resolved) -> Iterator[None]:
        """From the audit that looks at the table to the commit."""
        if self.dry_run:
            yield
            return
        destination = self.pipeline.destination
        holder = f"run {self.run_id} of {self.pipeline.name}"
        with opened.sink.lock(f"table {destination.table}", destination.lock_timeout, holder):
            if opened.sink.columns(destination.table) != opened.target:
                raise _MovedError
            yield

    def _verdict(self, execution: Execution, judged: Judged) -> Verdict:
        destination = self.pipeline.destination
        verdict = decide(
            execution.results,
            self.pipeline.quality,
            run_id=self.run_id,
            staging_id=f"{self.run_id}:{judged.stage.name}",
            published=judged.good_rows,
            turned_away=judged.rows - judged.good_rows,
            replace_empty=destination.mode == "replace" and not destination.allow_empty,
        )
        self.result.verdict = verdict
        return verdict

    def _publish(
        self, plan: Plan, opened: Resolved, execution: Execution, judged: Judged, verdict: Verdict
    ) -> None:
        node: Publish = plan.select(Publish)[0]
        destination = self.pipeline.destination
        order = PublishOrder(
            run_id=self.run_id,
            pipeline=self.pipeline.name,
            table=destination.table,
            mode=destination.mode,
            started_at=self.moment,
            key=destination.key,
            version=destination.version,
            scd2=destination.scd2,
            add_columns=node.add_columns,
            widen_columns=node.widen_columns,
            cursors=() if self.replays else tuple(execution.cursors),
            replays=self.replays,
        )
        gate: AuditGate = plan.select(AuditGate)[0]
        if self.ticket.fence is not None:
            self.ticket.fence()
        with self._timer(node.name) as timed, handing_over(opened):
            receipt = opened.sink.publish(verdict, execution.staged(judged, gate.checks), order)
            timed.rows = receipt.published
        self.result.records.published = receipt.published
        self.result.records.late = receipt.late
        self.result.snapshot = receipt.snapshot
        environment = self.pipeline.environment.name
        self.store.record_receipt(environment, receipt)
        self.store.record_cursors(environment, self.pipeline.name, self.run_id, order.cursors)
