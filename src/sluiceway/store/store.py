"""The one door to the metadata store: what a run writes and what people ask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from sluiceway.events import Event, NodeFinished, NodeStarted, RunFinished, RunStarted
from sluiceway.store import cache, fixes, graph, history, reads, runs, upgrade
from sluiceway.store.books import Books
from sluiceway.store.connect import connect, guard
from sluiceway.store.process import alive
from sluiceway.store.values import text

if TYPE_CHECKING:
    from sluiceway.exchange import Cursor, Receipt

__all__ = ["Store"]


class Store(Books):
    """Runs, checks, metrics, datasets and lineage of all pipelines and environments.

    Times given may be naive, then they are UTC; times in answers are ISO 8601 text in UTC. Every
    method raises StoreError where the database fails. Whatever is written is redacted first.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Store.open(f"sqlite:///{folder}/m.db") as store:
    ...     store.begin_run("r1", "orders", "dev", datetime(2026, 1, 1))
    ...     done = store.mark("r1", "failed", error={"message": "the disk is full"})
    ...     [(run["run_id"], run["status"]) for run in store.runs()]
    [('r1', 'failed')]
    """

    @classmethod
    def open(cls, url: str) -> Self:
        """Open the store at a SQLAlchemy URL; a SQLite file and its folder are made, tables upgraded.

        Args:
            url: ``sqlite:////absolute/file.db`` or ``postgresql+psycopg://user:password@host/db``.

        Raises:
            StoreError: unreachable, read-only, damaged, or written by a newer version.
            MissingExtraError: the driver of PostgreSQL is not installed.
        """
        engine = connect(url)
        try:
            with guard(engine):
                upgrade.ensure(engine)
        except BaseException:
            engine.dispose()
            raise
        return cls(engine)

    def close(self) -> None:
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- what a run writes ---

    def begin_run(
        self,
        run_id: str,
        pipeline: str,
        environment: str,
        started_at: datetime,
        attempt: int = 1,
        config_raw: Mapping[str, Any] | None = None,
        *,
        kind: str = "run",
        engine: Mapping[str, str] | None = None,
        nominal_at: datetime | None = None,
        group_id: str | None = None,
    ) -> None:
        """Write down that this process runs ``run_id`` now; a known run gets another attempt.

        Unlike a listener this raises: a run that can't be written down should not begin.

        Args:
            config_raw: the pipeline's file with ``${VAR}`` unresolved.
            kind: run, check, replay or rollback.
        """
        with self._write() as con:
            runs.begin(
                con,
                run_id,
                pipeline,
                environment,
                started_at,
                attempt=attempt,
                kind=kind,
                engine=engine,
                config_raw=config_raw,
                nominal_at=nominal_at,
                group_id=group_id,
                at=started_at if attempt == 1 else datetime.now(UTC),
            )

    def record_event(self, event: Event) -> None:
        """The listener: ``bus.listen("store", store.record_event)``. One transaction an event."""
        with self._write() as con:
            match event:
                case RunStarted():
                    runs.started(con, event)
                case NodeStarted():
                    runs.node_started(con, event)
                case NodeFinished():
                    runs.node_finished(con, event)
                case RunFinished():
                    runs.finished(con, event)

    def record_samples(self, run_id: str, check_id: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Failing rows of a check, replacing those kept before. The caller has masked them."""
        with self._write() as con:
            cache.write_samples(con, run_id, check_id, rows)

    def record_cursors(self, environment: str, pipeline: str, run_id: str, cursors: Sequence[Cursor]) -> None:
        """The marks that a run published; the destination keeps the true ones."""
        with self._write() as con:
            cache.write_cursors(con, environment, pipeline, run_id, cursors, datetime.now(UTC))

    def forget_cursors(self, environment: str, pipeline: str, source: str | None = None) -> int:
        """Drop cached marks (``state reset``, rollback); says how many there were."""
        with self._write() as con:
            return cache.delete_cursors(con, text(environment), text(pipeline), source)

    def record_receipt(self, environment: str, receipt: Receipt) -> None:
        """What a destination says of a run; written again it replaces what was there."""
        with self._write() as con:
            cache.write_receipt(con, environment, receipt)

    def record_quarantine(self, run_id: str, counts: Mapping[str, Mapping[str, int]]) -> None:
        """Counts by check: ``{"range:amount": {"waiting": 3, "replayed": 1, "discarded": 0}}``."""
        with self._write() as con:
            cache.write_quarantine(con, run_id, counts, datetime.now(UTC))

    def record_fixes(self, run_id: str, dataset: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """What a published run put right, by check: ``{check_id, fix, column, failing, fixed, unfixable,
        values}``; ``values`` are the commonest changes, masked by the caller."""
        with self._write() as con:
            fixes.write_fixes(con, run_id, dataset, rows, datetime.now(UTC))

    def record_undone(self, run_id: str, by: str, rows: int) -> None:
        """``rows`` that ``run_id`` had put right were put back by the run ``by``."""
        with self._write() as con:
            fixes.mark_undone(con, run_id, by, rows)

    def record_failures(self, run_id: str, failures: Mapping[str, int]) -> None:
        """``EventBus.failures``: listeners that failed in this run, and how often."""
        with self._write() as con:
            cache.write_failures(con, run_id, failures, datetime.now(UTC))

    def record_skipped(
        self,
        run_id: str,
        pipeline: str,
        environment: str,
        at: datetime,
        reason: str,
        *,
        group_id: str | None = None,
    ) -> None:
        """A run that was not begun, since what it needs did not succeed."""
        job = {
            "run_id": run_id, "pipeline": text(pipeline), "environment": text(environment), "attempt": 1,
            "nominal_at": None, "group_id": group_id,
        }  # fmt: skip
        with self._write() as con:
            runs.never_began(con, [job], "skipped", at, {"type": "Skipped", "message": text(reason)})

    def mark(
        self,
        run_id: str,
        status: str,
        *,
        error: Mapping[str, Any] | None = None,
        finished_at: datetime | None = None,
        snapshot: str | None = None,
    ) -> bool:
        """Set the status of a run that can't say so itself; False where it is not known."""
        extra = {} if snapshot is None else {"snapshot": snapshot}
        with self._write() as con:
            at = finished_at or datetime.now(UTC)
            return runs.mark(con, run_id, status, at, error=error, extra=extra)

    # --- what people ask ---

    def fixes(
        self,
        *,
        run_id: str | None = None,
        dataset: str | None = None,
        environment: str | None = None,
        limit: int | None = 100,
    ) -> list[dict[str, Any]]:
        """What runs put right, newest first: one entry a run and check."""
        with self._read() as con:
            return fixes.list_fixes(con, run_id=run_id, dataset=dataset, environment=environment, limit=limit)

    def interrupted(
        self,
        pipeline: str | None = None,
        environment: str | None = None,
        *,
        silent_for: timedelta | None = None,
    ) -> list[dict[str, Any]]:
        """Runs that no one ended and whose process is gone, oldest first.

        Of a process on another machine nothing is known; its runs are listed only where they were
        not heard of for ``silent_for``.
        """
        now = datetime.now(UTC)
        with self._read() as con:
            found = reads.running(con, pipeline, environment)
        gone = []
        for row, document in found:
            lives = alive(row)
            if lives is None:
                lives = silent_for is None or now - row["updated_at"] < silent_for
            if not lives:
                gone.append(document)
        return gone

    def runs(
        self,
        limit: int | None = 50,
        pipeline: str | None = None,
        status: str | None = None,
        environment: str | None = None,
        kind: str | None = None,
        nominal_at: datetime | None = None,
    ) -> list[dict[str, Any]]:
        """Runs, newest first: the fields of ``run --json`` without checks and nodes. ``nominal_at``: only
        those that stand for this moment."""
        with self._read() as con:
            return reads.list_runs(
                con, limit, pipeline=pipeline, status=status, environment=environment, kind=kind,
                nominal_at=nominal_at,
            )  # fmt: skip

    def run(self, run_id: str) -> dict[str, Any]:
        """One run whole: attempts, nodes, checks with samples, quarantine, SQL, configuration.

        Raises:
            StoreError: there is no such run.
        """
        with self._read() as con:
            return reads.one_run(con, run_id)

    def latest(
        self,
        pipeline: str,
        environment: str | None = None,
        status: str | None = None,
        kind: str | None = "run",
    ) -> dict[str, Any] | None:
        """The newest run of a pipeline, or None."""
        found = self.runs(1, pipeline, status, environment, kind)
        return found[0] if found else None

    def metrics(
        self,
        dataset: str,
        name: str | None = None,
        since: datetime | None = None,
        *,
        column: str | None = None,
        environment: str | None = None,
        status: str | None = "succeeded",
        limit: int | None = None,
        pipeline: str | None = None,
    ) -> list[dict[str, Any]]:
        """Metrics of a dataset, oldest first: ``{run_id, at, column, name, value, status}``.

        Runs of a pipeline measure what they bring, ``check DATASET`` the whole table: ``pipeline`` keeps
        those of one (a check's is ``check TARGET``).

        ``column=""`` asks for those of the dataset as a whole; ``limit`` keeps the newest;
        ``status=None`` adds runs that published nothing. Beside the profile there are
        ``quality_score`` and the dimensions. An unknown dataset has none.
        """
        with self._read() as con:
            found = reads.find_dataset(con, dataset, environment)
            if found is None:
                return []
            return reads.list_metrics(
                con, found["id"], name=name, column=column, since=since, status=status, limit=limit,
                pipeline=pipeline,
            )  # fmt: skip

    def past(
        self,
        dataset: tuple[str, str],
        wanted: Sequence[tuple[str, str]],
        *,
        pipeline: str,
        environment: str,
        but: str = "",
    ) -> dict[tuple[str, str], tuple[tuple[Any, ...], ...]]:
        """What one pipeline measured of a dataset: ``(metric, column) -> (at, value, blocked, run_id)``
        of each run that ended, oldest first, 1000 at most.

        Args:
            dataset: OpenLineage's (namespace, name).
            but: a run that is left out.
        """
        with self._read() as con:
            return history.past(con, dataset, wanted, pipeline=pipeline, environment=environment, but=but)

    def measured(
        self,
        dataset: str,
        *,
        pipeline: str | None = None,
        environment: str | None = None,
        limit: int = 200,
    ) -> list[dict[str, Any]]:
        """The newest runs that measured a dataset, oldest first, all of one pipeline and one kind:
        ``{run_id, pipeline, kind, status, at, metrics: {(column, metric): value}}``.

        Args:
            pipeline: of the newest run if absent.

        Raises:
            StoreError: no such dataset.
        """
        with self._read() as con:
            found = reads.require_dataset(con, dataset, environment)
            return history.measured(con, found["id"], pipeline=pipeline, limit=limit)

    def checks_history(
        self,
        pipeline: str | None = None,
        check_id: str | None = None,
        *,
        dataset: str | None = None,
        environment: str | None = None,
        since: datetime | None = None,
        limit: int | None = 100,
    ) -> list[dict[str, Any]]:
        """Checks of many runs, newest first, each with its run's id, pipeline, time and status."""
        with self._read() as con:
            found = None if dataset is None else reads.require_dataset(con, dataset, environment)
            return reads.checks_history(
                con,
                pipeline=pipeline,
                check_id=check_id,
                dataset_id=None if found is None else found["id"],
                environment=environment,
                since=since,
                limit=limit,
            )

    def cursors(self, environment: str | None = None, pipeline: str | None = None) -> list[dict[str, Any]]:
        with self._read() as con:
            return [reads.document(row) for row in cache.read_cursors(con, environment, pipeline)]

    def receipts(
        self,
        environment: str | None = None,
        pipeline: str | None = None,
        run_id: str | None = None,
        table: str | None = None,
    ) -> list[dict[str, Any]]:
        """Receipts that were cached, newest first."""
        with self._read() as con:
            found = cache.read_receipts(con, environment, pipeline, run_id, table)
            return [reads.document(row) for row in found]

    def datasets(self, environment: str | None = None) -> list[dict[str, Any]]:
        """Every dataset that a run read or published; ``columns`` is their number."""
        with self._read() as con:
            return reads.list_datasets(con, environment)

    def dataset(self, name: str, environment: str | None = None) -> dict[str, Any]:
        """One dataset with its columns, newest metrics and newest runs.

        Args:
            name: ``mart.orders``, or with its namespace in front.

        Raises:
            StoreError: unknown, or the name is not enough to tell.
        """
        with self._read() as con:
            return reads.dataset(con, name, environment)

    def lineage(
        self,
        dataset: str,
        column: str | None = None,
        direction: graph.Direction = "up",
        depth: int | None = None,
        environment: str | None = None,
    ) -> dict[str, Any]:
        """Where a dataset or column comes from (``up``) or goes to (``down``), over all pipelines.

        Args:
            dataset: a name, or ``DATASET.column``.
            depth: how many pipelines far; None: all the way.

        Returns:
            ``{dataset, column, direction, nodes, edges, column_edges}``. A node is a dataset with its
            ``depth`` and, where a column was asked, the ``columns`` that take part.

        Raises:
            StoreError: unknown dataset or column, or the name is not enough to tell.
        """
        with self._read() as con:
            return graph.lineage(con, dataset, column, direction, depth, environment)
