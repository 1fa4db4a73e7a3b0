"""One run, from lock to receipt: settle what was interrupted, try, judge, publish, tell the world."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

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
from sluiceway.events import Event, EventBus, NodeFinished, NodeStarted, RunFinished, RunStarted
from sluiceway.exchange import PublishOrder, Verdict
from sluiceway.ids import new_run_id
from sluiceway.plan.build import names_read
from sluiceway.plan.nodes import AuditGate, AuditSource, Extract, Plan, Publish, PythonStep, Stage, Transform
from sluiceway.run.aftermath import acknowledge
from sluiceway.run.execute import Execution, Judged
from sluiceway.run.facts import dataset_of, edges_of, sql_of, summarise
from sluiceway.run.gate import decide, shortened
from sluiceway.run.inplace import handing_over
from sluiceway.run.limit import TooLong, interrupt_of, limited
from sluiceway.run.listeners import listen
from sluiceway.run.resolve import Resolved, resolved
from sluiceway.run.result import NodeResult, RunResult
from sluiceway.run.settle import settle
from sluiceway.run.ticket import Ticket, backoff
from sluiceway.secrets import redact
from sluiceway.store.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from sluiceway.spec.model import Pipeline

__all__ = ["run"]

log = logging.getLogger("sluiceway.run")
Progress = Callable[[Event], None]


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


@dataclass
class _Timed:
    rows: int | None = None


@dataclass
class _Run:
    pipeline: Pipeline
    full_refresh: bool
    dry_run: bool
    progress: Progress | None
    bus: EventBus
    replays: tuple[str, ...] = ()
    count_reads: bool = False
    at: datetime | None = None
    kind: str | None = None
    ticket: Ticket = field(default_factory=lambda: Ticket(new_run_id(), retries=True))
    nodes: list[NodeResult] = field(default_factory=list)
    keep_staging: bool = False

    def __post_init__(self) -> None:
        self.run_id, self.attempt = self.ticket.run_id, self.ticket.attempt
        self.started_at = datetime.now(UTC)
        self.clock = time.monotonic()
        if self.full_refresh and self.pipeline.destination.mode in ("append", "merge"):
            self.pipeline = replace(
                self.pipeline, destination=replace(self.pipeline.destination, mode="replace")
            )
        self.result = RunResult(
            self.run_id,
            self.pipeline.name,
            self.pipeline.environment.name,
            table=str(self.pipeline.destination.table),
        )
        self.plan: Plan | None = None
        self.begun = False
        self.execution: Execution | None = None
        self.opened: Resolved | None = None
        self.judged: Judged | None = None

    @property
    def moment(self) -> datetime:
        """What the run takes for now."""
        return self.at or self.started_at

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
            try:
                self._attempt()
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
            self._not_yet(error)
        elif not transient or self.attempt == last:
            self._end("failed", error)
        else:
            wait = backoff(retry.backoff, retry.delay, self.attempt)
            log.warning("attempt %s failed: %s; next in %.1f s", self.attempt, redact(error.message), wait)
            return wait
        return None

    def _fail_if_begun(self) -> None:
        if self.plan is not None:
            self._end("failed", None)

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
            keep=lambda: self.keep_staging,
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

    # events -----------------------------------------------------------------------------------------

    def _kind(self) -> str:
        if self.kind is not None:
            return self.kind
        if self.replays:
            return "replay"
        return "check" if self.dry_run else "run"

    def _write_down(self) -> None:
        """There is such a run, and this is a try of it."""
        self.store.begin_run(
            self.run_id, self.pipeline.name, self.pipeline.environment.name, self.started_at, self.attempt,
            dict(self.pipeline.raw), kind=self._kind(), nominal_at=self.at, group_id=self.ticket.group_id,
        )  # fmt: skip

    def _begin(self, plan: Plan, opened: Resolved) -> None:
        pipeline = self.pipeline
        self._write_down()
        self.inputs = tuple(
            dataset_of(source.dataset(), opened.schemas[name], name)
            for name, source in opened.sources.items()
        )
        self.output = dataset_of(
            opened.sink.dataset(pipeline.destination.table), plan.output, str(pipeline.destination.table)
        )
        self.begun = True
        self.bus.emit(
            RunStarted(
                self.run_id, pipeline.name, self.started_at,
                environment=pipeline.environment.name, attempt=self.attempt, kind=self._kind(),
                inputs=self.inputs, output=self.output, description=pipeline.description,
                owner=pipeline.owner, nominal_at=self.at,
            )
        )  # fmt: skip

    @contextmanager
    def _timer(self, name: str) -> Iterator[_Timed]:
        self.bus.emit(NodeStarted(self.run_id, self.pipeline.name, datetime.now(UTC), node=name))
        begun, timed, error = time.monotonic(), _Timed(), None
        try:
            yield timed
        except BaseException as raised:
            error = redact(str(raised))
            raise
        finally:
            seconds = round(time.monotonic() - begun, 6)
            self.nodes.append(NodeResult(name, seconds, timed.rows))
            self.bus.emit(
                NodeFinished(
                    self.run_id, self.pipeline.name, datetime.now(UTC),
                    node=name, seconds=seconds, rows=timed.rows, error=error,
                )
            )  # fmt: skip

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
                raise DestinationError(
                    f"the columns of {destination.table} changed while this run was on its way",
                    hint="run it again",
                )
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

    # the end ----------------------------------------------------------------------------------------

    def _not_yet(self, error: SluicewayError) -> None:
        """This try failed, and whoever started it tries again: it is written, and nobody is told of a failure
        that may not be one."""
        self.result.status, self.result.error = "failed", error
        if not self.begun:
            self._write_down()
        self.store.mark(self.run_id, "failed", error=error.as_dict())

    def _end(self, status: Any, error: SluicewayError | None) -> None:
        result, execution = self.result, self.execution
        result.status, result.error = status, error
        result.nodes = tuple(self.nodes)
        result.execution_time = time.monotonic() - self.clock
        if execution is not None:
            weights = self.pipeline.quality.weights
            summarise(result, execution, self.judged, weights, dry_run=self.dry_run)
        if isinstance(error, GateError):
            error.result = result
        if self.plan is None or not self.begun:
            self._never_planned(status, error)
            return
        for check_id, rows in result.samples.items():
            self.store.record_samples(self.run_id, check_id, rows)
        if status == "succeeded" and result.fixes and not self.dry_run:
            self.store.record_fixes(self.run_id, result.table, [vars(fix) for fix in result.fixes])
        metrics = execution.metrics(self.judged) if execution and self.judged else {}
        self.bus.emit(
            RunFinished(
                self.run_id, self.pipeline.name, datetime.now(UTC),
                environment=result.environment, status=status, seconds=result.execution_time,
                verdict=result.verdict.outcome if result.verdict else None,
                quality_score=result.quality_score, dimensions=dict(result.dimensions),
                snapshot=result.snapshot,
                records=result.records.as_dict(), inputs=self.inputs, output=self.output,
                checks=tuple({**c.as_dict(), "source": c.check.source} for c in result.checks),
                metrics=metrics, lineage=edges_of(self.plan, self.inputs),
                sql=sql_of(self.plan, execution) if execution else None,
                error=error.as_dict() if error else None,
                kind=self._kind(), owner=self.pipeline.owner, table=result.table,
            )
        )  # fmt: skip
        failures = dict(self.bus.failures)
        if failures:
            self.store.record_failures(self.run_id, failures)
        result.notes = tuple(f"{name} failed on {count} events" for name, count in failures.items())

    def _never_planned(self, status: str, error: SluicewayError | None) -> None:
        """The run ended before there was a plan: it is recorded all the same."""
        self._write_down()
        self.bus.emit(
            RunFinished(
                self.run_id, self.pipeline.name, datetime.now(UTC),
                environment=self.result.environment, status=status, seconds=self.result.execution_time,
                error=error.as_dict() if error else None,
                kind=self._kind(), owner=self.pipeline.owner, table=self.result.table,
            )
        )  # fmt: skip
