"""What is told of a run: that it began, each of its nodes, how it ended. The store hears it first."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sluiceway.errors import GateError, SluicewayError
from sluiceway.events import Event, EventBus, NodeFinished, NodeStarted, RunFinished, RunStarted
from sluiceway.ids import new_run_id
from sluiceway.run.facts import dataset_of, edges_of, sql_of, summarise
from sluiceway.run.result import NodeResult, RunResult
from sluiceway.run.ticket import Ticket
from sluiceway.secrets import redact

if TYPE_CHECKING:
    from sluiceway.plan.nodes import Plan
    from sluiceway.run.execute import Execution
    from sluiceway.run.judging import Judged
    from sluiceway.run.resolve import Resolved
    from sluiceway.spec.model import Pipeline
    from sluiceway.store.store import Store

__all__ = ["Progress", "Telling"]

Progress = Callable[[Event], None]


@dataclass
class Timed:
    rows: int | None = None


@dataclass
class Telling:
    """One run, as far as it is told."""

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
    store: Store = field(init=False)

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
        self.again = False  # there may be another try
        self.stripped = False

    @property
    def moment(self) -> datetime:
        """What the run takes for now."""
        return self.at or self.started_at

    # the begin and the nodes -------------------------------------------------------------------------

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
    def _timer(self, name: str) -> Iterator[Timed]:
        self.bus.emit(NodeStarted(self.run_id, self.pipeline.name, datetime.now(UTC), node=name))
        begun, timed, error = time.monotonic(), Timed(), None
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

    # the end ----------------------------------------------------------------------------------------

    def _fail_if_begun(self) -> None:
        if self.plan is not None:
            self._end("failed", None)

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
